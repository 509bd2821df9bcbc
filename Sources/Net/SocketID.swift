/// Names a socket of a hub for as long as it is open.
///
/// A slot of the hub's table and the generation of that slot: the kernel hands a closed descriptor's number out again at
/// once, a generation never comes back, so a late event or a late answer for a socket that has gone finds nobody.
@usableFromInline
package struct SocketID: Hashable, Sendable {
    @usableFromInline
    package let slot: UInt32
    @usableFromInline
    package let generation: UInt32

    package init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// The form that travels in the user data of an epoll registration.
    @inlinable
    var packed: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

    // In one step each.

    @inlinable
    package static func == (one: SocketID, other: SocketID) -> Bool { one.packed == other.packed }

    @inlinable
    package func hash(into hasher: inout Hasher) { hasher.combine(packed) }

    init(packed: UInt64) {
        slot = UInt32(truncatingIfNeeded: packed)
        generation = UInt32(truncatingIfNeeded: packed >> 32)
    }
}
