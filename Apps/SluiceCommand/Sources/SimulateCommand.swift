// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import SluiceSimulation

/// The command `sluice simulate`.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run pipelines against a modelled service, in virtual time.",
        discussion: """
            The file names a service (latency, errors, capacity, outages), a load, and one or more pipelines with the settings \
            to be tried; samples/simulations has two. The policies are the real ones, so what helps here helps there. The same \
            file and seed give the same report, byte for byte.
            """)

    @Argument(help: "A JSON file with the simulation.")
    var file: String

    @Flag(help: "Write JSON.")
    var json = false

    @Option(help: "Write a timeline of every second, as an SVG image, to this file.")
    var svg: String?

    @Option(help: "The seed to draw from instead of the file's.")
    var seed: UInt64?

    func run() async throws {
        guard let data = FileManager.default.contents(atPath: self.file) else {
            throw InputError(description: "the file \(self.file) cannot be read")
        }
        let comparison: SimulationComparison
        do {
            comparison = try await Self.run(try SimulationFile(data, seed: self.seed))
        } catch let error as SimulationFileError {
            throw InputError(description: "\(self.file): \(error)")
        } catch let error as SimulationError {
            throw InputError(description: "\(self.file): \(error)")
        }
        if let svg {
            let image = Data(SimulationTimeline(comparison).svg().utf8)
            do { try image.write(to: URL(fileURLWithPath: svg)) } catch {
                throw InputError(description: "the file \(svg) cannot be written")
            }
        }
        if self.json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
            FileHandle.standardOutput.write(try encoder.encode(comparison) + Data("\n".utf8))
        } else {
            FileHandle.standardOutput.write(Data(SimulationTable(comparison).text.utf8))
        }
    }

    private static func run(_ file: SimulationFile) async throws -> SimulationComparison {
        // A terminal shows how far it is; a log would be filled with it.
        let showsProgress = isatty(STDERR_FILENO) == 1
        var reports: [SimulationReport] = []
        for (index, simulation) in file.simulations.enumerated() {
            let title = "\(index + 1)/\(file.simulations.count) \(simulation.name)"
            let report = try await simulation.run { part in
                guard showsProgress else { return }
                FileHandle.standardError.write(Data("\r\u{1B}[K\(title): \(Int(part * 100)) %".utf8))
            }
            reports.append(report)
        }
        if showsProgress { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        return SimulationComparison(file.name, reports)
    }
}
