/// Payloads of one turn that stand side by side in its memory and go to the same streams.
///
/// A turn often brings several messages for the same people. Their streams are then told of them once, when something
/// else is sent or the turn ends, instead of each stream of each message.
struct FanOut {
    /// Whom it goes to. Held on to, so that other recipients cannot come to stand in the same memory.
    let ids: [SocketID]
    /// Who does not get it: mostly its author.
    let except: SocketID?
    private(set) var piece: Slot.Piece

    /// Nothing, for nobody.
    init() { self.init(Slot.Piece(start: 0, end: 0), to: [], except: nil) }

    init(_ piece: Slot.Piece, to ids: [SocketID], except: SocketID?) {
        self.ids = ids
        self.except = except
        self.piece = piece
    }

    var isEmpty: Bool { ids.isEmpty }

    /// Takes in a payload that follows the last and goes to the same streams.
    ///
    /// - Returns: false where it does not.
    mutating func takes(_ next: Slot.Piece, to ids: [SocketID], except: SocketID?) -> Bool {
        guard next.start == piece.end, except == self.except, self.ids.isSameMemory(as: ids) else { return false }
        piece.end = next.end
        return true
    }
}

extension Array {
    /// True where both are one array in memory, which is what a group that did not change hands over; looking at the
    /// elements would cost as much as sending.
    func isSameMemory(as other: [Element]) -> Bool {
        count == other.count
            && withUnsafeBufferPointer { own in
                other.withUnsafeBufferPointer { own.baseAddress == $0.baseAddress }
            }
    }
}
