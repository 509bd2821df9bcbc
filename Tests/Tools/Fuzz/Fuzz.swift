import FuzzTargets
import Glibc

/// One target under libFuzzer, which guides the inputs by coverage. `Tests/README.md` says how it is built and run.
private let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""

private let chosen: FuzzTarget = {
    guard let target = FuzzTarget.named(name) else {
        fatalError("set FUZZ_TARGET to one of: \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
    }
    return target
}()

/// libFuzzer's own loop (`FuzzerInterface.h`); the sanitizer's run time brings it along.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ run: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The package manager takes `main` of an executable to be this.
@_cdecl("fuzz_main")
public func fuzzMain(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    if name == "list" {
        for target in FuzzTarget.all { print(target.name) }
        return 0
    }
    var count = count
    var arguments = arguments
    return runDriver(&count, &arguments) { start, length in
        let input = Array(UnsafeBufferPointer(start: start, count: length))
        do {
            try chosen.run(input)
        } catch {
            fatalError("\(chosen.name): \(error)")
        }
        return 0
    }
}
