// SPDX-License-Identifier: Apache-2.0
import Clubhouse
import Hummingbird
import NIOCore
import Sluice
import SluiceHTTP
import SluiceSQL
import SluiceServer

/// An error as the command line reports it: one line that says what to do, and an exit code from sysexits.h.
struct CommandFailure {
    let message: String
    let exitCode: Int32

    /// - Returns: nil for an error that ArgumentParser reports best itself.
    init?(_ error: any Error) {
        switch ImportProblem.problem(error) {
        case let error as ConfigurationError:
            self.init(message: "\(error). `sluice config --help` says where values come from.", exitCode: 78)
        case let problem as Problem:
            let isInput = problem.status.kind == .clientError
            self.init(message: "\(problem.title): \(problem.detail)", exitCode: isInput ? 65 : 69)
        case let error as InputError:
            self.init(message: error.description, exitCode: 65)
        case let error as SQLError:
            self.init(message: "\(error)", exitCode: error.kind == .configuration ? 78 : 69)
        case let error as APIClientError:
            self.init(message: "\(error)", exitCode: 69)
        case let error as RejectionError:
            self.init(message: "\(error)", exitCode: 69)
        case let error as TimeoutError:
            self.init(message: "\(error)", exitCode: 69)
        case let error as IOError:
            self.init(message: "\(error). If the port is in use, choose another with --port.", exitCode: 69)
        default:
            return nil
        }
    }

    private init(message: String, exitCode: Int32) {
        self.message = message
        self.exitCode = exitCode
    }
}

/// A file that cannot be used.
struct InputError: Error, CustomStringConvertible {
    let description: String
}
