import Platform
import Wire

/// The secrets by which names are reclaimed: a file of its own for each server and name, under `state/`, mode 0600.
struct UDPSecrets: Sendable {
    /// Bytes of such a file.
    private static let fileLimit = 4_096

    let directory: DataDirectory

    func secret(of name: Nickname, at server: SocketAddress) -> MessageID? {
        guard let bytes = try? PrivateFile.read(path(name, server), limit: Self.fileLimit),
            let value = try? JSON(parsing: bytes[...])
        else { return nil }
        // The name of the file is a digest; what it is about stands in it.
        guard value["server"]?.string == server.description, value["name"]?.string == name.key else { return nil }
        return value["secret"]?.string.flatMap(MessageID.init(hex:))
    }

    /// Keeps a secret, or forgets it.
    func keep(_ secret: MessageID?, of name: Nickname, at server: SocketAddress) throws(SystemError) {
        var object: JSONObject = ["server": .string(server.description), "name": .string(name.key)]
        if let secret { object["secret"] = .string(secret.hex) }
        try PrivateFile.writeAtomically(JSON.object(object).encoded(), to: path(name, server))
    }

    private func path(_ name: Nickname, _ server: SocketAddress) -> String {
        // FNV-1a: it only has to make a short file name of them.
        var digest: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(server) \(name.key)".utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return directory.state("udp-\(UDPExtension.hex(digest)).json")
    }
}
