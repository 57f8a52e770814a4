// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Logging
import SluiceHTTP
import SluiceHTTPCacheSQL
import SluiceSQL

/// The command `sluice cached-proxy`.
struct CachedProxyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cached-proxy", abstract: "Serve an origin's answers through the HTTP cache of the API client.",
        discussion: """
            A small reverse proxy: what may be kept by RFC 9111 is kept, and the Cache-Status field of each answer says what was \
            done. Point a test suite for HTTP caches at it, or see what a cache would make of a service. Serves until SIGTERM or \
            SIGINT, and then exits with 0.
            """)

    @Argument(help: "The origin: an http or https URL without a path.")
    var origin: String

    @Option(help: "The address to serve on.")
    var host = "127.0.0.1"

    @Option(help: "The port to serve on; 0 takes a free one.")
    var port = 8080

    @Option(help: "Where answers are kept: memory, or sqlite:PATH.")
    var store = "memory"

    @Option(help: "How many bytes all kept answers may take.")
    var maximumBytes = 64 << 20

    @Flag(help: "Be a shared cache, which keeps nothing that is private to one user.")
    var shared = false

    func validate() throws {
        guard (0...65_535).contains(self.port) else { throw ValidationError("--port must be in 0...65535") }
        guard self.maximumBytes >= 1 else { throw ValidationError("--maximum-bytes must be at least 1") }
        guard self.store == "memory" || self.store.hasPrefix("sqlite:") else {
            throw ValidationError("--store must be memory or sqlite:PATH, not \(self.store)")
        }
        guard let origin = try? CachedProxy.Origin(self.origin) else {
            throw ValidationError("ORIGIN must be an http or https URL without a path, not \(self.origin)")
        }
        _ = origin
    }

    func run() async throws {
        let origin = try CachedProxy.Origin(self.origin)
        guard self.store != "memory" else {
            return try await self.serve(origin, MemoryHTTPCacheStore(maximumBytes: self.maximumBytes))
        }
        let database = try await Database.open(self.store, drivers: CommonOptions.drivers)
        do {
            let store = try await SQLHTTPCacheStore.open(database, maximumBytes: self.maximumBytes)
            try await self.serve(origin, store)
        } catch {
            await database.close()
            throw error
        }
        await database.close()
    }

    private func serve(_ origin: CachedProxy.Origin, _ store: any HTTPCacheStore) async throws {
        // Where it may go is what its own user told it.
        let transport = AsyncHTTPClientTransport(rules: AddressRules(allowsPrivateAddresses: true))
        let cache = HTTPCache(HTTPCacheSettings(isShared: self.shared), store: store)
        let proxy = CachedProxy(origin: origin, cache: cache, transport: transport)
        var logger = Logger(label: "sluice.cached-proxy")
        logger.logLevel = .error
        let (host, store) = (self.host, self.store)
        do {
            try await proxy.serve(host: host, port: self.port, logger: logger) { port in
                let address = "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
                let text = "Serving \(address), a cache (\(store)) before \(origin.url). Stop with Ctrl-C.\n"
                FileHandle.standardOutput.write(Data(text.utf8))
            }
        } catch {
            await cache.close()
            await transport.close()
            throw error
        }
        await cache.close()
        await transport.close()
    }
}
