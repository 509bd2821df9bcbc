import Platform
import TestSupport
import Wire

@testable import Terminal

/// Knows every state that the line being typed goes through, and holds each frame of a screen against them: the rows at
/// the prompt must be one of the states, none earlier than the frame before showed, with nothing else below.
///
/// `@unchecked Sendable`: everything that changes is read and written under `lock`; frames arrive on the thread of the
/// terminal, keys on that of the test.
final class PromptWatch: @unchecked Sendable {
    private struct Shape {
        let rows: [String]
        let cursorRow: Int
        let cursorColumn: Int
    }

    private let lock = Lock()
    private let prompt: SafeText
    private var editor = LineEditor()
    private var decoder = KeyDecoder()
    /// The states from the one that was seen last.
    private var states: [EditBuffer] = [EditBuffer()]
    private var shapes: [Shape?] = [nil]
    private var columns: Int
    private var height: Int
    /// A change of size is under way: frames of either size may come.
    private var isResizing = false
    private var submittedLines: [String] = []
    private var mistakes: [String] = []
    private var frameCount = 0
    private var typedLast: [String] = []

    init(prompt: SafeText = "> ", columns: Int, rows: Int) {
        self.prompt = prompt
        self.columns = columns
        height = rows
    }

    /// What was entered, in order.
    var submitted: [String] { lock.withLock { submittedLines } }

    /// What a frame showed that it should not have, the first few.
    var failures: [String] { lock.withLock { mistakes } }

    /// Characters of the line being typed.
    var length: Int { lock.withLock { editor.buffer.count } }

    /// The line as it should be, for a message.
    var expected: String {
        lock.withLock {
            "\(editor.text.debugDescription), cursor \(editor.buffer.cursor), after \(typedLast.suffix(6))"
        }
    }

    var frames: Int { lock.withLock { frameCount } }

    /// Takes what is going to be typed. Call it before typing.
    func willType(_ text: String) {
        lock.withLock {
            typedLast = typedLast.suffix(10) + [text.debugDescription]
            for byte in text.utf8 {
                let keys = decoder.received([byte])
                for key in keys {
                    for case .submitted(let line, _) in editor.pressed(key) { submittedLines.append(line) }
                    states.append(editor.buffer)
                    shapes.append(nil)
                }
            }
        }
    }

    func willResize(columns: Int, rows: Int) {
        lock.withLock {
            isResizing = true
            self.columns = columns
            height = rows
            shapes = Array(repeating: nil, count: states.count)
        }
    }

    /// Holds a frame against the states.
    func frameEnded(_ screen: ScreenModel) {
        lock.withLock {
            frameCount += 1
            guard !isResizing else { return }
            for index in states.indices where matches(index, screen) {
                states.removeFirst(index)
                shapes.removeFirst(index)
                return
            }
            guard mistakes.count < 3 else { return }
            let start = max(0, screen.row - 3)
            mistakes.append(
                "frame \(frameCount): \(screen.text[start...].filter { !$0.isEmpty }), cursor \(screen.column), not from "
                    + "\(states[0].text.debugDescription) to \(states[states.count - 1].text.debugDescription)")
        }
    }

    /// Whether a screen looks as if everything that was typed were there. From then on frames count again after a change
    /// of size.
    ///
    /// An earlier state may look the same (the prompt is as empty before a line as behind its Enter), and then the states
    /// in between may still come. So, as for a frame, only those before the first that it may be have passed.
    func isSettled(_ screen: ScreenModel) -> Bool {
        lock.withLock {
            guard screen.columns == columns, matches(states.count - 1, screen) else { return false }
            if let index = states.indices.first(where: { matches($0, screen) }) {
                states.removeFirst(index)
                shapes.removeFirst(index)
            }
            isResizing = false
            return true
        }
    }

    private func matches(_ index: Int, _ screen: ScreenModel) -> Bool {
        let shape = shape(index)
        let first = screen.row - shape.cursorRow
        guard first >= 0, screen.column == shape.cursorColumn, screen.isCursorShown else { return false }
        let text = screen.text
        guard first + shape.rows.count <= text.count else { return false }
        return text[first..<(first + shape.rows.count)].elementsEqual(shape.rows)
            && text[(first + shape.rows.count)...].allSatisfy(\.isEmpty)
    }

    /// What a state looks like on a screen that shows nothing else.
    private func shape(_ index: Int) -> Shape {
        if let known = shapes[index] { return known }
        let size = ScreenSize(columns: columns, rows: height)
        let live = LiveLayout(
            LiveContent(prompt: StyledLine([Span(prompt, .bold)]), buffer: states[index]), columns: columns,
            limit: height, isColored: true)
        var renderer = ScreenRenderer(traits: TerminalTraits())
        var screen = ScreenModel(columns: columns, rows: height)
        screen.feed(renderer.frame(live: live, size: size))
        let shape = Shape(
            rows: Array(screen.text.prefix(live.rows.count)), cursorRow: live.cursorRow, cursorColumn: screen.column)
        shapes[index] = shape
        return shape
    }
}
