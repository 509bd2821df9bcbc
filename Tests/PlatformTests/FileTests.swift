import Glibc
import Testing

@testable import Platform

@Suite struct FileTests {
    private func withFolder(_ body: (String) throws -> Void) rethrows {
        var template = Array("/tmp/chat-test-XXXXXX".utf8CString)
        let path = String(cString: mkdtemp(&template)!)
        defer { removeTree(path) }
        try body(path)
    }

    private func removeTree(_ path: String) {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != "." && name != ".." { removeTree(path + "/" + name) }
            }
            closedir(folder)
            rmdir(path)
        } else {
            unlink(path)
        }
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func privateFilesAreReplacedAsAWhole() throws {
        try withFolder { folder in
            let path = folder + "/secret"
            #expect(try PrivateFile.read(path, limit: 10) == nil)
            try PrivateFile.writeAtomically(Array("one".utf8), to: path)
            try PrivateFile.writeAtomically(Array("two!".utf8), to: path)
            #expect(try PrivateFile.read(path, limit: 4) == Array("two!".utf8))
            #expect(mode(path) == 0o600)
            #expect(throws: PrivateFile.Failure.tooLarge(limit: 3)) { try PrivateFile.read(path, limit: 3) }
            try PrivateFile.append(Array("?".utf8), to: path)
            #expect(try PrivateFile.read(path, limit: 10) == Array("two!?".utf8))
            #expect(throws: SystemError(call: "open", code: ENOENT)) {
                try PrivateFile.writeAtomically([], to: folder + "/missing/secret")
            }
        }
    }

    @Test func theDataFolderIsMadePrivate() throws {
        try withFolder { folder in
            let data = try DataDirectory(option: folder + "/a/b/")
            #expect(data.path == folder + "/a/b")
            #expect(mode(data.path) == 0o700)
            #expect(mode(data.state("x").dropLastComponent) == 0o700)
            #expect(try DataDirectory(option: folder + "/a/b") == data, "an existing one is taken as it is")
            try PrivateFile.append([1], to: folder + "/file")
            #expect(throws: DataDirectory.Failure.self) { try DataDirectory(option: folder + "/file") }
            #expect(throws: DataDirectory.Failure.self) { try DataDirectory(option: folder + "/file/below") }
        }
    }
}

extension String {
    fileprivate var dropLastComponent: String { String(self[..<(lastIndex(of: "/") ?? endIndex)]) }
}
