// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What one scenario of `SCENARIOS.md` came to, as `Conformance/run` reads it.
struct Result: Encodable {
    let scenario: String
    let library = "Sluice"
    let version = "main"
    let verdict: String
    let figure: Double?
    let unit: String?
    let note: String
    var caveat: String?

    init(
        _ scenario: String, passes: Bool, figure: Double? = nil, unit: String? = nil, caveat: String? = nil,
        _ note: String
    ) {
        self.scenario = scenario
        self.verdict = passes ? "pass" : "fail"
        self.figure = figure.map { ($0 * 1_000).rounded() / 1_000 }
        self.unit = unit
        self.note = note
        self.caveat = caveat
    }
}

/// Runs every scenario and prints a JSON array.
@main
enum Conformance {
    static func main() async throws {
        var results: [Result] = []
        results += try await BreakerScenarios.all()
        results += try await RetryScenarios.all()
        results += try await LimiterScenarios.all()
        results += try await ConcurrencyScenarios.all()
        results += try await TimeoutScenarios.all()
        results += try await HedgeScenarios.all()
        results += try await AdaptiveScenarios.all()
        results += try await CacheScenarios.all()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        print(String(decoding: try encoder.encode(results), as: UTF8.self))
    }
}

/// The error of an operation that fails.
struct Failure: Error {}
