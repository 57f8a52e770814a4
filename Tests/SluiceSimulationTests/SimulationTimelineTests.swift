// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceSimulation
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite("A simulation's timeline")
struct SimulationTimelineTests {
    /// Collects what elements and texts a document has.
    private final class Reader: NSObject, XMLParserDelegate {
        var elements: [String: Int] = [:]
        var classes: Set<String> = []
        var texts: [String] = []
        private var text = ""

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String] = [:]
        ) {
            self.elements[name, default: 0] += 1
            if let kind = attributes["class"] { self.classes.insert(kind) }
            self.text = ""
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) { self.text += string }

        func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
            self.texts.append(self.text)
        }
    }

    private func report(_ name: String) async throws -> SimulationReport {
        let service = ServiceModel(
            latency: .lognormal(median: .milliseconds(20), p99: .milliseconds(100)),
            outages: [Outage(from: .seconds(3), to: .seconds(6), .failFast)])
        return try await Simulation(name, service: service, load: Load(.constant(20), for: .seconds(10))) { _ in
            [CircuitBreaker(openFor: .seconds(1)), Timeout(.seconds(1))]
        }.run()
    }

    @Test("is well-formed XML with a title and a description, whatever the names are")
    func wellFormed() async throws {
        let name = "<&\"'> \u{1} two\nlines"
        let comparison = SimulationComparison(name, [try await self.report("a < b"), try await self.report("🙂 & c")])
        let svg = SimulationTimeline(comparison).svg()
        let parser = XMLParser(data: Data(svg.utf8))
        let reader = Reader()
        parser.delegate = reader
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(reader.elements["title"] == 1)
        #expect(reader.elements["desc"] == 1)
        #expect(reader.elements["script"] == nil)
        #expect(reader.texts.contains("a < b"))
        #expect(reader.texts.contains("🙂 & c"))
        #expect(
            reader.classes.isSuperset(of: ["good", "failed", "rejected", "requests", "outage", "opened", "mean", "p99"])
        )
        #expect(svg.contains("prefers-color-scheme: dark"))
    }

    @Test("of nothing is drawn all the same")
    func empty() {
        let svg = SimulationTimeline(SimulationComparison("nothing", [])).svg()
        #expect(XMLParser(data: Data(svg.utf8)).parse())
    }
}
