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
