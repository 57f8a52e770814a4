// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceSimulation
import Testing

@Suite("A simulation file")
struct SimulationFileTests {
    private static let service = #""service": {"latency": {"constant": "20ms"}}"#
    private static let load = #""load": {"rate": 10, "duration": "2s"}"#

    private static func file(_ pipeline: String) -> String {
        #"{"pipeline": \#(pipeline), \#(Self.service), \#(Self.load)}"#
    }

    @Test("is read with every layer, by the settings' own names and texts")
    func layers() async throws {
        let pipeline = #"""
            [{"deadline": {"limit": "3s"}},
             {"retry": {"maximumAttempts": 2, "backoff": "constant(1ms)", "maximumHint": "1s", "budget": {"ratio": 0.1}}},
             {"hedge": {"delay": "1s", "budget": "none"}}, {"circuitBreaker": {"openFor": "2m"}},
             {"rateLimit": {"count": "100", "period": "1s", "obeysHints": true}},
             {"concurrencyLimit": {"maximum": "5", "algorithm": "aimd"}}, {"timeout": {"limit": "1s"}},
             {"chaos": {"fault": "0.5"}}]
            """#
        let file = try SimulationFile(Data(Self.file(pipeline).utf8), seed: 9)
        #expect(file.simulations.map(\.name) == ["pipeline"])
        #expect(file.simulations.map(\.seed) == [9])
        let report = try await #require(file.simulations.first).run()
        #expect(report.calls == 20)
        #expect(report.events["chaos.injected", default: 0] > 5)
        #expect(report.concurrencyLimit.first?.limit == 5)
    }

    @Test(
        "what is wrong in it is refused with its place and what would be right",
        arguments: [
            ("{\n  \"seed\" 1}", "is not JSON: Invalid value around character"), ("{", "is not JSON"),
            ("[]", "must be an object"), ("{}", "service: is missing"),
            (file("[]").replacingOccurrences(of: "pipeline", with: "pipelines"), "pipelines: is not known here"),
            (file(#"[{"retries": {}}]"#), "pipeline[0].retries: is not a layer; there are deadline, timeout, retry"),
            (
                file(#"[{"timeout": {}}, {"circuitBreaker": {"openfor": "1s"}}]"#),
                "pipeline[1].circuitBreaker.openfor: is not known here; there are consecutiveFailures"
            ),
            (
                file(#"[{"retry": {"maximumAttempts": "0"}}]"#),
                "pipeline[0].retry.maximumAttempts: must be 1 to"
            ),
            (file(#"[{"deadline": {"limit": "3 s"}}]"#), "pipeline[0].deadline.limit: must be a duration"),
            (file(#"[{"retry": {"budget": "some"}}]"#), #"pipeline[0].retry.budget: must be "none""#),
            (file(#"[{"timeout": {}}, {"retry": {}}]"#), "pipeline: the retry is inside a timeout"),
            (file(#"[{"timeout": {}, "retry": {}}]"#), "pipeline[0]: must have exactly one member"),
            (
                #"{"pipeline": [], "service": {"latency": {"uniform": {"from": "2s", "to": "1s"}}}, \#(load)}"#,
                "service.latency.uniform: must have a \"to\""
            ),
            (
                #"{"pipeline": [], "service": {"latency": {"constant": "1s"}, "outages": [{"from": "2s", "to": "1s", "kind": "hang"}]}, \#(load)}"#,
                "service.outages[0].to: must be after"
            ),
            (
                #"{"pipeline": [], \#(service), "load": {"rate": 1e5, "duration": "1h"}}"#,
                "load: must make 1 to 1000000 calls"
            ),
            (#"{\#(service), \#(load)}"#, "must have a pipeline"),
        ] as [(String, String)])
    func mistakes(file: String, message: String) throws {
        let error = #expect(throws: SimulationFileError.self) { _ = try SimulationFile(Data(file.utf8)) }
        #expect(try #require(error).description.hasPrefix(message), "\(String(describing: error))")
    }
}
