import Abuse
import Glibc
import Platform
import TestSupport
import Wire

/// `long-run [MINUTES [FOLDER [MODE]]]`: people talk in all four modes, or in that one, come and go, are killed, and
/// strangers attack now and then. The memory, descriptors and threads of every server and of one client each are looked at
/// all the time, and in the end it is said whether they are level. The samples are kept in FOLDER, which is made where it
/// is not there.
@main
struct LongRun {
    static func main() async {
        let arguments = CommandLine.arguments
        let modes = arguments.count > 3 ? Mode(rawValue: arguments[3]).map { [$0] } : Mode.allCases
        guard arguments.count <= 4, let modes, let minutes = Double(arguments.count > 1 ? arguments[1] : "60"),
            minutes > 0
        else {
            print("long-run [MINUTES [FOLDER [MODE]]]")
            exit(64)
        }
        let folder = arguments.count > 2 ? arguments[2] : "."
        // Found out now, and not when the time is over.
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST, access(folder, W_OK | X_OK) == 0 else {
            print("long-run: nothing can be written to '\(folder)'; name a folder that can be")
            exit(73)
        }
        let end = MonotonicTime.now() + .milliseconds(Int(minutes * 60_000))
        let verdicts = await withTaskGroup(of: [Verdict].self) { group in
            for mode in modes { group.addTask { await Course(mode, until: end, folder: folder).run() } }
            var verdicts: [Verdict] = []
            for await some in group { verdicts += some }
            return verdicts
        }
        for verdict in verdicts.sorted(by: { $0.what < $1.what }) { print(verdict) }
        let isLevel =
            verdicts.allSatisfy(\.isLevel)
            && verdicts.count == modes.reduce(0) { $0 + ($1 == .p2p ? 1 : 2) }
        print(isLevel ? "level" : "NOT LEVEL")
        exit(isLevel ? 0 : 1)
    }
}
