import Glibc

/// True where AddressSanitizer or ThreadSanitizer is in the programs under test: they take several times the memory and
/// the time then, and what they take says nothing.
package let isInstrumented = dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil

/// What tells the sanitizers how to behave, for a program whose environment is otherwise its own.
package let sanitizerOptions: [String] = ["ASAN_OPTIONS", "TSAN_OPTIONS"].compactMap { (name: String) in
    getenv(name).map { "\(name)=\(String(cString: $0))" }
}
