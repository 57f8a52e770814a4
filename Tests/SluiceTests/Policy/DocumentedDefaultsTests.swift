// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@Suite("Documented defaults")
struct DocumentedDefaultsTests {
    private static let pages: [(name: String, texts: [(name: String, value: String)])] = [
        ("RetryPolicy", Retry().settings.texts),
        ("HedgePolicy", Hedge().settings.texts),
        ("CircuitBreakerPolicy", CircuitBreaker().settings.texts),
        ("RateLimitPolicy", RateLimitSettings().texts),
        ("ConcurrencyLimitPolicy", ConcurrencyLimit().settings.texts),
        ("TimeoutPolicy", Timeout().settings.texts),
        ("DeadlinePolicy", Deadline().settings.texts),
        ("CachePolicy", CacheSettings().texts),
        ("ChaosPolicy", Chaos.Settings().texts),
    ]

    @Test("each policy's page lists its settings with the values they have", arguments: Self.pages.indices)
    func defaults(index: Int) throws {
        let page = Self.pages[index]
        let documented = try Catalogue.rows(of: page.name, below: "Defaults").map { Array($0.prefix(2)) }
        #expect(documented == page.texts.map { [$0.name, $0.value] }, "on \(page.name)")
    }

    @Test("every policy's page has the same headings")
    func headings() throws {
        let expected = ["About", "Use", "Defaults", "Events", "Diagram", "Patterns", "Anti-patterns"]
        for page in try Catalogue.pages() where page.hasSuffix("Policy") {
            let headings = try Catalogue.headings(of: page)
            #expect(headings == expected, "on \(page)")
        }
    }
}
