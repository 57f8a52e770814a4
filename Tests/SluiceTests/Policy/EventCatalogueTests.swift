// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@Suite("Catalogue of events")
struct EventCatalogueTests {
    private func row(_ kind: PolicyEventKind) -> Catalogue.Row { [kind.rawValue, "\(kind.severity)", kind.when] }

    @Test("the page lists every event, as the code has it and in its order")
    func allEvents() throws {
        let expected = PolicyEventKind.allCases.map(self.row)
        let table = expected.map { "| `\($0[0])` | \($0[1]) | \($0[2]) |" }.joined(separator: "\n")
        let rows = try Catalogue.rows(of: "Events", below: "Catalogue")
        #expect(rows == expected, "Events.md must have this table:\n\(table)")
    }

    @Test("the pages of the policies name events that exist, as the code has them")
    func eventsOfPolicies() throws {
        var named: Set<String> = []
        for page in try Catalogue.pages() where page.hasSuffix("Policy") {
            for row in try Catalogue.rows(of: page, below: "Events") {
                named.insert(row[0])
                let kind = try #require(PolicyEventKind(rawValue: row[0]), "\(page) names \(row[0])")
                #expect(row == self.row(kind), "on \(page)")
            }
        }
        let missing = PolicyEventKind.allCases.map(\.rawValue).filter { !named.contains($0) }
        #expect(
            missing.allSatisfy { name in
                ["pipeline.", "operation.", "pool.", "sql.", "webSocket."].contains { name.hasPrefix($0) }
            },
            "on no policy's page: \(missing)")
    }
}
