// SPDX-License-Identifier: Apache-2.0
import CPQ
import SluiceSQL

extension SQLError {
    static let zeroByte = SQLError(.statement, message: "a statement has no zero byte", hasRun: false)
    static let zeroByteInText = SQLError(
        .statement, message: "PostgreSQL keeps no text with a zero byte", hasRun: false)

    /// What a result of the server's says went wrong.
    ///
    /// Only the primary message is taken: the details of a constraint's error name the values.
    ///
    /// - Source: PostgreSQL 15, appendix A, "PostgreSQL Error Codes".
    init(postgres result: OpaquePointer) {
        func field(_ code: Character) -> String? {
            PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map { String(cString: $0) }
        }
        guard let state = field("C") else {
            // libpq's own, and not the server's: what was sent was lost on its way, or its answer was.
            let text = PQresultErrorMessage(result).map { Self.line(String(cString: $0)) } ?? ""
            self.init(.connection, message: text.isEmpty ? "the server closed the connection" : text)
            return
        }
        // By the server's function that found it, since the message is in whatever language the server speaks.
        if state == "0A000", field("R") == "RevalidateCachedQuery" {
            self.init(.serialization, message: field("M") ?? "", sqlState: state, hasRun: false)
            return
        }
        self.init(
            Self.kind(state), message: Self.withoutValues(field("M") ?? "", state), sqlState: state,
            constraint: field("n"), hasRun: Self.isLoss(state) ? nil : true)
    }

    static func kind(_ state: String) -> Kind {
        switch state {
        case "40001", "40P01", "40002": return .serialization
        case "55P03", "53300": return .busy
        case "57014": return .timeout
        case "42501": return .permission
        case "57P01", "57P02", "57P03", "57P05", "25P03": return .connection
        case "3D000": return .authentication
        default: break
        }
        switch state.prefix(2) {
        case "08": return .connection
        case "23": return .constraint
        case "28": return .authentication
        case "53", "54", "58", "XX": return .storage
        default: return .statement
        }
    }

    /// Whether the server ends the session with the error.
    private static func isLoss(_ state: String) -> Bool { Self.kind(state) == .connection }

    /// Messages of data exceptions end in the datum: `invalid input syntax for type integer: "…"`.
    private static func withoutValues(_ message: String, _ state: String) -> String {
        guard state.hasPrefix("22") else { return message }
        return String(message.prefix { $0 != "\"" && $0 != ":" })
    }

    /// The connection was lost; whether the statement ran is unknown.
    static func lost(_ handle: OpaquePointer) -> SQLError {
        SQLError(.connection, message: Self.text(handle) ?? "the server closed the connection")
    }

    /// libpq's own words, on one line.
    static func text(_ handle: OpaquePointer) -> String? {
        guard let text = PQerrorMessage(handle).map({ String(cString: $0) }), !text.isEmpty else { return nil }
        return Self.line(text)
    }

    private static func line(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }.joined(separator: " ")
    }
}
