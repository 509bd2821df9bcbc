import Wire

/// What the datagrams of udp mode say of their sender: its name, and the port at which it is answered.
package enum UDPStandIn {
    /// The same datagram with the port that stands for its sender's, at which everybody answers it.
    package static let rewrite: FaultProxy.Route.Rewriting = { bytes, standIn in
        guard var object = (try? JSON(parsing: bytes[...]))?.object, var metadata = object["metadata"]?.object else {
            return nil
        }
        guard let port = metadata["client_port"]?.integer.flatMap(UInt16.init(exactly:)) else { return bytes }
        guard let other = standIn(port) else { return nil }
        metadata["client_port"] = .integer(Int64(other))
        object["metadata"] = .object(metadata)
        return JSON.object(object).encoded(style: .compact)
    }

    /// The number at the end of its sender's name.
    package static let sender: @Sendable ([UInt8]) -> Int? = { bytes in
        guard let name = (try? JSON(parsing: bytes[...]))?["metadata"]?["name"]?.string else { return nil }
        return Int(name.drop { !$0.isNumber })
    }
}
