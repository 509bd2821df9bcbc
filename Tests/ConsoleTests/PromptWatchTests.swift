import TestSupport
import Testing
import Wire

@testable import Terminal

/// The watcher of the load tests: what it takes for a mistake, and what not.
struct PromptWatchTests {
    private func screen(_ text: String) -> ScreenModel {
        let size = ScreenSize(columns: 40, rows: 10)
        let live = LiveLayout(
            LiveContent(prompt: StyledLine([Span("> ", .bold)]), buffer: EditBuffer(text)), columns: size.columns,
            limit: size.rows, isColored: false)
        var renderer = ScreenRenderer(traits: TerminalTraits())
        var screen = ScreenModel(columns: size.columns, rows: size.rows)
        screen.feed(renderer.frame(live: live, size: size))
        return screen
    }

    @Test func statesComeInTheirOrder() {
        let watch = PromptWatch(columns: 40, rows: 10)
        watch.willType("abc")
        watch.frameEnded(screen("a"))
        watch.frameEnded(screen("abc"))
        #expect(watch.failures == [])
        watch.frameEnded(screen("a"))
        #expect(watch.failures.count == 1)
        watch.frameEnded(screen("abd"))
        #expect(watch.failures.count == 2)
    }

    @Test func anEmptyPromptMayBeThatBeforeTheLine() {
        let watch = PromptWatch(columns: 40, rows: 10)
        watch.willType("ab\r")
        // Nothing was taken yet, or everything: nobody can tell.
        #expect(watch.isSettled(screen("")))
        watch.frameEnded(screen("ab"))
        #expect(watch.failures == [])
        watch.frameEnded(screen(""))
        watch.frameEnded(screen("ab"))
        #expect(watch.failures.count == 1)
    }
}
