// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension SQLError {
    /// Sorts an error of the server or of the client library.
    ///
    /// - Parameters:
    ///   - code: The server's number, or the library's (2000 to 2999).
    ///   - message: The server's words; values are taken out of them.
    ///   - hasRun: What is known of the statement.
    /// - Source: MariaDB, "MariaDB Error Code Reference"; MySQL 8.0, "Server Error Message Reference" and "Client Error Message
    ///   Reference".
    init(mySQL code: Int, sqlState: String, message: String, hasRun: Bool? = nil) {
        // A certificate that is not accepted, or a server without one, stays so: the pool must not go on trying.
        let isLasting = code == 2026 && ["certificate", "required"].contains(where: message.contains)
        let kind = isLasting ? .configuration : Self.kind(code, sqlState)
        let text = MySQLMessage(code: code, text: message)
        self.init(
            kind, message: text.withoutValues, engineCode: code, sqlState: sqlState,
            constraint: kind == .constraint ? text.constraint : nil,
            hasRun: kind == .connection ? Self.hasRun(code, hasRun) : hasRun)
    }

    private static func kind(_ code: Int, _ sqlState: String) -> Kind {
        switch code {
        // Deadlock; record changed since it was read (MariaDB's snapshot isolation).
        case 1213, 1020, 1614: .serialization
        // Lock wait timeout; NOWAIT.
        case 1205, 3572: .busy
        // Duplicate key, not null, foreign keys, CHECK (MariaDB, MySQL).
        case 1022, 1048, 1062, 1169, 1216, 1217, 1364, 1451, 1452, 1557, 1586, 1761, 1762, 4025, 3819: .constraint
        // Access denied to the server or a database; unknown database; account locked; too weak a method; host not allowed.
        case 1044, 1045, 1049, 1130, 1251, 1698, 1862, 3118, 3159, 4151, 2058, 2059, 2061: .authentication
        case 1142, 1143, 1227, 1370, 1396, 1410, 1792, 1290: .permission
        // Interrupted; out of time (MySQL, MariaDB).
        case 1317, 3024, 1969, 1968: .timeout
        // Disk full, table full, damaged table, read and write errors of a file.
        case 1021, 1114, 1034, 1035, 1194, 1195, 1030, 1026, 1024, 1037, 1038: .storage
        // Shutdown, too many connections, a connection killed or aborted, network errors as the server sees them.
        case 1040, 1053, 1152, 1154...1161, 1184, 1203, 1226, 1927, 4031, 3168: .connection
        case 2020: .statement
        case 2000..<3000: .connection
        default: sqlState.hasPrefix("08") ? .connection : sqlState.hasPrefix("23") ? .constraint : .statement
        }
    }

    /// What a lost connection says about the statement.
    ///
    /// The library says "gone away" (2006) when it could not send the command, and the server runs only whole ones. An error of TLS
    /// (2026) may come at any moment.
    private static func hasRun(_ code: Int, _ known: Bool?) -> Bool? {
        switch code {
        case 1040, 1203, 1226, 2002, 2003, 2005, 2006, 2068: false
        default: known
        }
    }

    /// Whether the connection cannot be used any more; it cannot either after a packet that was too large.
    var isLossOfConnection: Bool { self.kind == .connection || [1153, 2020].contains(self.engineCode) }

    /// Whether the server has undone the whole transaction, not only the statement.
    var hasUndoneTransaction: Bool { self.kind == .serialization }
}

/// A server's error message, which may hold values and the names of constraints.
struct MySQLMessage {
    let code: Int
    let text: String

    /// Messages that hold names, types and the statement's own text, and no value.
    private static let harmless: Set<Int> = [
        1005, 1007, 1008, 1044, 1045, 1046, 1048, 1049, 1050, 1051, 1052, 1054, 1055, 1059, 1060, 1061, 1064, 1065,
        1066,
        1068, 1071, 1072, 1075, 1091, 1101, 1103, 1109, 1110, 1111, 1113, 1115, 1118, 1130, 1136, 1142, 1143, 1146,
        1170,
        1191, 1205, 1213, 1222, 1227, 1231, 1241, 1242, 1248, 1264, 1265, 1273, 1290, 1295, 1305, 1317, 1364, 1370,
        1390,
        1406, 1426, 1451, 1452, 1553, 1568, 1582, 1698, 1792, 1822, 1824, 1927, 1969, 3024, 3819, 4025, 4078,
    ]

    /// The message without the values that the server puts into some.
    ///
    /// Where it may hold one, everything between the first and the last quotation mark is left out: a value may hold such marks.
    var withoutValues: String {
        if self.code == 1062 { return "a duplicate entry" + (self.constraint.map { " for key '\($0)'" } ?? "") }
        if Self.harmless.contains(self.code) || (2000..<3000).contains(self.code) { return self.text }
        guard let first = self.text.firstIndex(of: "'"), let last = self.text.lastIndex(of: "'"), first < last else {
            return self.text
        }
        return self.text[...first] + "…" + self.text[last...]
    }

    /// The constraint's or column's name, where the message tells it.
    var constraint: String? {
        switch self.code {
        // Duplicate entry 'value' for key 'name', or 'table.name'. The last one: the value may say anything.
        case 1062, 1586, 1022:
            self.name(after: "for key ", backwards: true)?.split(separator: ".").last.map(String.init)
        // CONSTRAINT `name` FOREIGN KEY; CONSTRAINT `name` failed for; Check constraint 'name' is violated.
        case 1451, 1452, 4025: self.name(after: "CONSTRAINT ", backwards: false)
        case 3819: self.name(after: "constraint ", backwards: false)
        // Column 'name' cannot be null; Field 'name' doesn't have a default value.
        case 1048: self.name(after: "Column ", backwards: false)
        case 1364: self.name(after: "Field ", backwards: false)
        default: nil
        }
    }

    /// The word behind `prefix`, in whatever quotation marks.
    private func name(after prefix: String, backwards: Bool) -> String? {
        let bytes = Array(self.text.utf8)
        let pattern = Array(prefix.utf8)
        let starts = bytes.indices.filter { bytes[$0...].starts(with: pattern) }
        guard let start = (backwards ? starts.last : starts.first).map({ $0 + pattern.count }), start < bytes.count
        else { return nil }
        guard let end = bytes[(start + 1)...].firstIndex(of: bytes[start]), end > start + 1 else { return nil }
        return String(decoding: bytes[(start + 1)..<end], as: UTF8.self)
    }
}
