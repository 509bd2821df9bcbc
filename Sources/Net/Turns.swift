extension Hub {
    /// Hands every turn to the actor that owns the state, until the turns end.
    ///
    /// The same as `for await turn in hub.turns { handle(turn) }` inside the actor, at a third of the cost: the loop of
    /// this function belongs to no actor and so stays on the loop's task executor, where waiting for a stream takes one
    /// job; an actor's own goes through the queue each time it leaves the actor for the stream and comes back. Must run
    /// under the loop's preference (`EventLoop.run`), and the actor must live on the loop; both are checked.
    @concurrent
    package func forEachTurn<Owner: Actor>(
        of owner: Owner, _ handle: @Sendable (isolated Owner, [NetEvent]) -> Void
    ) async {
        for await turn in turns {
            hand(turn, to: owner, handle)
        }
    }

    /// Not async, so that entering the actor is a check of the thread and no switch.
    private func hand<Owner: Actor>(
        _ turn: [NetEvent], to owner: Owner, _ handle: @Sendable (isolated Owner, [NetEvent]) -> Void
    ) {
        owner.assumeIsolated { handle($0, turn) }
    }
}

/// The turns of a hub that have brought something, one element each.
///
/// Asking for the next one tells the hub that the turn before is done, and only then does the hub read again: a consumer
/// that is late slows its peers down and fills no queue.
package struct Turns: AsyncSequence {
    package typealias Element = [NetEvent]
    package typealias Failure = Never

    private let hub: Hub

    init(_ hub: Hub) { self.hub = hub }

    package func makeAsyncIterator() -> Iterator { Iterator(hub: hub, base: hub.stream.makeAsyncIterator()) }

    package struct Iterator: AsyncIteratorProtocol {
        private let hub: Hub
        private var base: AsyncStream<[NetEvent]>.Iterator

        init(hub: Hub, base: AsyncStream<[NetEvent]>.Iterator) {
            self.hub = hub
            self.base = base
        }

        package mutating func next() async -> [NetEvent]? {
            await next(isolation: #isolation)
        }

        package mutating func next(isolation actor: isolated (any Actor)?) async -> [NetEvent]? {
            hub.consumerIsReady()
            return await base.next(isolation: actor)
        }
    }
}
