// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// How a transport makes, keeps and gives up connections.
public struct HTTPTransportSettings: Sendable, Hashable {
    /// Which addresses it may talk to.
    ///
    /// With a proxy, which looks names up itself, only the look-up before it is checked.
    public var rules: AddressRules
    /// The longest making a connection may take, its TLS handshake included; more than zero.
    public var connectTimeout: Duration
    /// The longest a server may send nothing while its answer is asked for; more than zero.
    ///
    /// On AsyncHTTPClient the time that whoever reads a streamed answer takes between two parts is not the server's. So who stops
    /// reading and does not let go keeps a connection, until ``APIRequest/deadline`` if there is one.
    public var readTimeout: Duration
    /// The longest nothing may be written of a request that is not complete while the connection would take it; more than zero.
    ///
    /// A server that takes in nothing is ended by the attempt's timeout: AsyncHTTPClient 1.37 stops its clock while a connection is
    /// full.
    public var writeTimeout: Duration
    /// The longest a request waits for a connection while all are busy; more than zero.
    public var poolTimeout: Duration
    /// Exchanges under way in all, each of which holds a connection over HTTP/1.1; at least 1.
    public var maximumConnections: Int
    /// Connections to one origin over HTTP/1.1; at least 1.
    public var maximumConnectionsPerHost: Int
    /// Requests that wait for a connection at most; more are turned away at once.
    public var maximumWaiting: Int
    /// How long a connection that nobody uses is kept; more than zero.
    public var idleTimeout: Duration
    /// Whether HTTP/2 is used where the server offers it: over https alone.
    public var usesHTTP2: Bool
    /// What all connections go through; nothing if nil.
    public var proxy: HTTPProxy?
    /// A file of certificates in PEM form that are trusted beside the system's; none if nil.
    public var trustedCertificates: String?

    /// Creates settings.
    public init(
        rules: AddressRules = AddressRules(),
        connectTimeout: Duration = .seconds(3),
        readTimeout: Duration = .seconds(30),
        writeTimeout: Duration = .seconds(30),
        poolTimeout: Duration = .seconds(10),
        maximumConnections: Int = 100,
        maximumConnectionsPerHost: Int = 20,
        maximumWaiting: Int = 10_000,
        idleTimeout: Duration = .seconds(60),
        usesHTTP2: Bool = true,
        proxy: HTTPProxy? = nil,
        trustedCertificates: String? = nil
    ) {
        precondition(maximumConnections >= 1, "maximumConnections must be at least 1 (is \(maximumConnections))")
        precondition(
            maximumConnectionsPerHost >= 1,
            "maximumConnectionsPerHost must be at least 1 (is \(maximumConnectionsPerHost))")
        self.rules = rules
        self.connectTimeout = connectTimeout
        self.readTimeout = readTimeout
        self.writeTimeout = writeTimeout
        self.poolTimeout = poolTimeout
        self.maximumConnections = maximumConnections
        self.maximumConnectionsPerHost = maximumConnectionsPerHost
        self.maximumWaiting = maximumWaiting
        self.idleTimeout = idleTimeout
        self.usesHTTP2 = usesHTTP2
        self.proxy = proxy
        self.trustedCertificates = trustedCertificates
    }
}

/// A server that passes connections on.
public struct HTTPProxy: Sendable, Hashable, CustomStringConvertible {
    /// How it is spoken to.
    public enum Kind: Sendable, Hashable {
        /// By HTTP: requests for http in absolute form, tunnels for https.
        case http
        /// By SOCKS 5, without authentication.
        case socks
    }

    /// How it is spoken to.
    public let kind: Kind
    /// Its host.
    public let host: String
    /// Its port.
    public let port: Int
    /// The user it is told, by basic authentication; HTTP only.
    public let username: String?
    /// The user's password; HTTP only.
    public let password: Secret?

    /// Creates a proxy.
    public init(_ kind: Kind = .http, host: String, port: Int, username: String? = nil, password: Secret? = nil) {
        self.kind = kind
        self.host = host
        self.port = port
        self.username = username
        self.password = password
    }

    /// Where it is, without the password.
    public var description: String { "\(self.kind)://\(self.host):\(self.port)" }
}
