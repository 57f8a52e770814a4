// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

/// Where a server is, who asks, and how the connection is made: a URL taken apart and checked.
struct MySQLSettings: Sendable {
    /// How much the connection is protected, named as PostgreSQL names it.
    enum TLS: String, Sendable, CaseIterable {
        /// Not at all.
        case disable
        /// Encrypted if the server can; nobody is verified.
        case prefer
        /// Encrypted; nobody is verified.
        case require
        /// Encrypted, and the server's certificate is signed by a known authority.
        case verifyCA = "verify-ca"
        /// And the certificate is for this host.
        case verifyFull = "verify-full"
    }

    private static let parameterNames = [
        "sslmode", "sslrootcert", "connect_timeout", "read_timeout", "write_timeout",
    ]

    let host: String
    let port: UInt32
    /// The path of a socket, in place of a host.
    let socket: String?
    let user: String
    let password: String
    private(set) var database: String?
    let tls: TLS
    let rootCertificate: String?
    /// Seconds until a connection must be there: 10 unless the URL says otherwise.
    private(set) var connectTimeout: UInt32
    /// Seconds after which a server that says nothing is taken for lost: 3,900 unless the URL says otherwise, since a migration may
    /// take an hour.
    ///
    /// Statements have their deadlines, so this only catches what has none.
    private(set) var readTimeout: UInt32
    /// Seconds after which a server that takes nothing is taken for lost: 30 unless the URL says otherwise.
    private(set) var writeTimeout: UInt32
    /// The longest the server lets a statement run, as long as a transaction does not ask for more; nil for no limit.
    private(set) var statementTimeout: Duration?

    /// Checks what a URL says.
    ///
    /// - Throws: ``SQLError`` of kind `configuration`, which names the parameter.
    init(_ url: DatabaseURL) throws(SQLError) {
        guard url.remainder.hasPrefix("//") else {
            throw Self.wrong("the database URL names no server; write for example mysql://user:password@host:3306/name")
        }
        if let unknown = url.parameters.keys.filter({ !Self.parameterNames.contains($0) }).min() {
            throw Self.wrong(
                "\(url.scheme) URLs have no parameter \(unknown); known are host, \(Self.parameterNames.joined(separator: ", "))"
            )
        }
        let host = url.host ?? "localhost"
        self.socket = host.hasPrefix("/") ? host : nil
        self.host = host
        self.port = UInt32(url.port ?? 3306)
        self.user = url.user ?? "root"
        self.password = url.password ?? ""
        self.database = url.database.isEmpty ? nil : url.database
        let mode = url.parameters["sslmode"] ?? TLS.prefer.rawValue
        guard let tls = TLS(rawValue: mode) else {
            throw Self.wrong("sslmode is one of \(TLS.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self.tls = tls
        self.rootCertificate = url.parameters["sslrootcert"]
        if self.rootCertificate == nil, tls == .verifyCA {
            throw Self.wrong("sslmode=verify-ca needs sslrootcert, the file of the authority's certificate")
        }
        self.connectTimeout = try Self.seconds("connect_timeout", url) ?? 10
        self.readTimeout = try Self.seconds("read_timeout", url) ?? 3_900
        self.writeTimeout = try Self.seconds("write_timeout", url) ?? 30
    }

    /// The same, but giving up sooner.
    func impatient(_ time: Duration) -> MySQLSettings {
        let seconds = UInt32(clamping: max(1, time.components.seconds))
        var settings = self
        settings.connectTimeout = min(self.connectTimeout, seconds)
        settings.readTimeout = min(self.readTimeout, seconds)
        settings.writeTimeout = min(self.writeTimeout, seconds)
        return settings
    }

    /// The same, but for a connection that only stops another's statement: the server's list tells it from the pool's by this.
    var withoutDatabase: MySQLSettings {
        var settings = self
        settings.database = nil
        return settings
    }

    /// The same, but for a pool, which has only so much time to connect, and whose statements end by themselves some time after their
    /// database's own timeout.
    func pooled(connecting time: Duration, statements: Duration) -> MySQLSettings {
        var settings = self
        settings.connectTimeout = min(self.connectTimeout, UInt32(clamping: max(1, time.components.seconds)))
        settings.statementTimeout = statements
        return settings
    }

    private static func seconds(_ name: String, _ url: DatabaseURL) throws(SQLError) -> UInt32? {
        guard let text = url.parameters[name] else { return nil }
        guard let value = UInt32(text), (1...86_400).contains(value) else {
            throw Self.wrong("\(name) is a number of seconds from 1 to 86400")
        }
        return value
    }

    private static func wrong(_ message: String) -> SQLError { SQLError(.configuration, message: message) }
}
