// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSimulation
import Testing

@Suite("A simulation", .timeLimit(.minutes(2)))
struct SimulationTests {
    @Test("a constant latency and no errors give figures that can be computed by hand")
    func byHand() async throws {
        let simulation = Simulation(
            service: ServiceModel(latency: .constant(.milliseconds(20))), load: Load(.constant(10), for: .seconds(5))
        ) { _ in [Timeout(.seconds(1))] }
        let report = try await simulation.run()
        print(report); #expect(report.calls == 50)
        #expect(report.successes == 50)
        #expect(report.successRate == 1)
        #expect(report.requests == 50)
        #expect(report.amplification == 1)
        #expect(report.outageAmplification == nil)
        #expect(report.latency?.p50 == 20)
        #expect(report.latency?.max == 20)
        #expect(report.latency?.mean == 20)
        #expect(report.seconds.map(\.calls) == [10, 10, 10, 10, 10])
        #expect(report.seconds.map(\.meanLatency) == [20, 20, 20, 20, 20])
        #expect(report.duration == 4.92)
    }
}
