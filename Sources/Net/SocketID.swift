/// Names a socket of a hub for as long as it is open.
///
/// A slot of the hub's table and the generation of that slot: the kernel hands a closed descriptor's number out again at
/// once, a generation never comes back, so a late event or a late answer for a socket that has gone finds nobody.
package struct SocketID: Hashable, Sendable {
    package let slot: UInt32
    package let generation: UInt32

    package init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// The form that travels in the user data of an epoll registration.
    var packed: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

    /// In one step.
    package func hash(into hasher: inout Hasher) { hasher.combine(packed) }

    init(packed: UInt64) {
        slot = UInt32(truncatingIfNeeded: packed)
        generation = UInt32(truncatingIfNeeded: packed >> 32)
    }
}
