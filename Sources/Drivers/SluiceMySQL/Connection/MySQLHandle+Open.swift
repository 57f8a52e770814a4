// SPDX-License-Identifier: Apache-2.0
import CMariaDB
import SluiceSQL

extension MySQLHandle {
    /// Password methods that do not show the password to whoever answers in the server's place.
    private static let methods =
        "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,parsec,auth_gssapi_client"

    /// The library's own set-up, which is not safe to be done by two threads at once.
    private static let isLibraryReady: Bool = mysql_server_init(0, nil, nil) == 0

    /// Connects and sets the session up; blocks for up to the settings' time-outs.
    ///
    /// - Throws: ``SQLError`` of kind `authentication`, `configuration` or `connection`; nothing has run.
    static func open(_ settings: MySQLSettings) throws(SQLError) -> MySQLHandle {
        let handle = try self.connect(settings)
        do throws(SQLError) {
            try handle.setUp(settings.statementTimeout)
        } catch {
            var error = error
            error.hasRun = false
            throw error
        }
        return handle
    }

    /// Connects.
    ///
    /// Of an update, rows that were found are counted, not those that were changed by it: as the other engines count.
    ///
    /// - Throws: ``SQLError`` of kind `authentication`, `configuration` or `connection`; nothing has run.
    static func connect(_ settings: MySQLSettings) throws(SQLError) -> MySQLHandle {
        guard self.isLibraryReady, let pointer = mysql_init(nil) else {
            throw SQLError(.connection, message: "no memory for a connection", hasRun: false)
        }
        self.configure(pointer, settings)
        let isConnected = mysql_real_connect(
            pointer, settings.socket == nil ? settings.host : nil, settings.user, settings.password, settings.database,
            settings.port, settings.socket, UInt(CLIENT_FOUND_ROWS))
        guard isConnected != nil else {
            defer { mysql_close(pointer) }
            throw SQLError(
                mySQL: Int(mysql_errno(pointer)), sqlState: String(cString: mysql_sqlstate(pointer)),
                message: String(cString: mysql_error(pointer)), hasRun: false)
        }
        // The library goes on without encryption if the server offers none.
        if settings.tls.isRequired, mysql_get_ssl_cipher(pointer) == nil {
            mysql_close(pointer)
            throw SQLError(
                .configuration, message: "sslmode=\(settings.tls.rawValue), but the server does not encrypt",
                hasRun: false
            )
        }
        return MySQLHandle(pointer)
    }

    private static func configure(_ pointer: UnsafeMutablePointer<MYSQL>, _ settings: MySQLSettings) {
        func set(_ option: mysql_option, _ value: UInt32) {
            withUnsafePointer(to: value) { _ = mysql_options(pointer, option, $0) }
        }
        func set(_ option: mysql_option, _ value: Bool) {
            withUnsafePointer(to: value ? 1 : 0 as CChar) { _ = mysql_options(pointer, option, $0) }
        }
        set(MYSQL_OPT_CONNECT_TIMEOUT, settings.connectTimeout)
        set(MYSQL_OPT_READ_TIMEOUT, settings.readTimeout)
        set(MYSQL_OPT_WRITE_TIMEOUT, settings.writeTimeout)
        set(MYSQL_OPT_PROTOCOL, (settings.socket == nil ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET).rawValue)
        // Else the server could ask for any file of this machine.
        set(MYSQL_OPT_LOCAL_INFILE, UInt32(0))
        mysql_options(pointer, MYSQL_SET_CHARSET_NAME, "utf8mb4")
        mysql_options(pointer, MARIADB_OPT_RESTRICTED_AUTH, Self.methods)
        if settings.tls != .disable {
            set(MYSQL_OPT_SSL_ENFORCE, true)
            if let file = settings.rootCertificate { mysql_options(pointer, MYSQL_OPT_SSL_CA, file) }
        }
        set(MYSQL_OPT_SSL_VERIFY_SERVER_CERT, settings.tls == .verifyFull)
    }
}

extension MySQLSettings.TLS {
    /// Whether a connection without encryption is refused.
    var isRequired: Bool {
        switch self {
        case .disable, .prefer: false
        case .require, .verifyCA, .verifyFull: true
        }
    }
}
