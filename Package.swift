// swift-tools-version:6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncAlgorithms = Target.Dependency.product(name: "AsyncAlgorithms", package: "swift-async-algorithms")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTesting = Target.Dependency.product(name: "HummingbirdTesting", package: "hummingbird")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioFoundation = Target.Dependency.product(name: "NIOFoundationCompat", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioSOCKS = Target.Dependency.product(name: "NIOSOCKS", package: "swift-nio-extras")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")

let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

let package = Package(
    name: "sluice",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "sluice", targets: ["SluiceCommand"]),
        .library(name: "Sluice", targets: ["Sluice"]),
        .library(name: "SluiceTelemetry", targets: ["SluiceTelemetry"]),
        .library(name: "SluicePostgres", targets: ["SluicePostgres"]),
        .library(name: "SluiceSQL", targets: ["SluiceSQL"]),
        .library(name: "SluiceSQLite", targets: ["SluiceSQLite"]),
        .library(name: "SluiceMySQL", targets: ["SluiceMySQL"]),
        .library(name: "SluiceHTTP", targets: ["SluiceHTTP"]),
        .library(name: "SluiceHTTPCacheSQL", targets: ["SluiceHTTPCacheSQL"]),
        .library(name: "SluiceHTTPCacheRedis", targets: ["SluiceHTTPCacheRedis"]),
        .library(name: "SluiceRedis", targets: ["SluiceRedis"]),
        .library(name: "SluiceWebSocket", targets: ["SluiceWebSocket"]),
        .library(name: "SluiceTesting", targets: ["SluiceTesting"]),
        .library(name: "SluiceServer", targets: ["SluiceServer"]),
        .library(name: "SluiceSimulation", targets: ["SluiceSimulation"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-async-algorithms.git", from: "1.1.4"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-distributed-tracing.git", from: "1.7.3"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.8.1"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: [
        // MARK: Core
        module("Core", "Sluice", []),

        module("Core", "SluiceTelemetry", ["Sluice", logging, metrics]),

        // MARK: Drivers
        .systemLibrary(
            name: "CMariaDB", path: "Sources/Drivers/CMariaDB", pkgConfig: "libmariadb",
            providers: [.apt(["libmariadb-dev"]), .brew(["mariadb-connector-c"])]),
        .systemLibrary(
            name: "CSQLite", path: "Sources/Drivers/CSQLite", pkgConfig: "sqlite3",
            providers: [.apt(["libsqlite3-dev"]), .brew(["sqlite3"])]),
        .systemLibrary(
            name: "CZlib", path: "Sources/Drivers/CZlib", pkgConfig: "zlib",
            providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        module(
            "Drivers", "SluiceHTTP",
            [
                "CZlib", "Sluice", asyncHTTPClient, crypto, deque, httpTypes, nioCore, nioFoundation, nioHTTP1,
                nioHTTP2, nioPosix, nioSOCKS, nioSSL, tracing,
            ]),
        .target(name: "CEpoll", path: "Sources/Drivers/CEpoll"),
        .systemLibrary(
            name: "CPQ", path: "Sources/Drivers/CPQ", pkgConfig: "libpq",
            providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        module("Drivers", "SluicePostgres", ["CEpoll", "CPQ", "Sluice", "SluiceSQL", deque]),
        module("Drivers", "SluiceMySQL", ["CMariaDB", "Sluice", "SluiceSQL", deque]),
        module("Drivers", "SluiceRedis", ["Sluice", crypto, deque, nioCore, nioPosix, nioSSL]),
        module("Drivers", "SluiceSQL", ["Sluice", asyncAlgorithms, deque]),
        module("Drivers", "SluiceSQLite", ["CSQLite", "Sluice", "SluiceSQL", deque]),
        module(
            "Drivers", "SluiceWebSocket",
            ["CZlib", "Sluice", crypto, deque, httpTypes, nioCore, nioPosix, nioSSL]),

        // MARK: Features
        module("Features", "SluiceHTTPCacheRedis", ["Sluice", "SluiceHTTP", "SluiceRedis", nioCore]),
        module("Features", "SluiceHTTPCacheSQL", ["Sluice", "SluiceHTTP", "SluiceSQL", nioCore]),

        // MARK: Server
        module(
            "Server", "SluiceServer",
            [
                "Sluice", "SluiceHTTP", "SluiceSQL", "SluiceTelemetry", "SluiceWebSocket", configuration, httpTypes,
                hummingbird, hummingbirdCore, lifecycle, logging, metrics, nioCore, nioHTTP1, systemPackage,
                unixSignals,
            ]),

        // MARK: Testing
        module("Testing", "SluiceSimulation", ["Sluice"]),
        module("Testing", "SluiceTesting", ["Sluice", "SluiceHTTP", "SluiceSQL", httpTypes, nioCore, nioPosix]),

        // MARK: Apps
        app(
            "Clubhouse",
            ["Sluice", "SluiceHTTP", "SluiceSQL", "SluiceServer", httpTypes, hummingbird, logging, nioCore]),
        .executableTarget(
            name: "SluiceCommand",
            dependencies: [
                "Clubhouse", "Sluice", "SluiceHTTP", "SluiceHTTPCacheSQL", "SluiceMySQL", "SluicePostgres", "SluiceSQL",
                "SluiceSQLite", "SluiceServer", "SluiceSimulation", "SluiceTelemetry",
                argumentParser, httpTypes, hummingbird, hummingbirdCore, lifecycle, logging, nioCore, nioPosix,
                unixSignals,
            ],
            path: "Apps/SluiceCommand/Sources", packageAccess: false, swiftSettings: settings),

        // MARK: Conformance
        .executableTarget(
            name: "Conformance", dependencies: ["Sluice", "SluiceHTTP", "SluiceTesting"], path: "Conformance/Sources",
            swiftSettings: settings),

        // MARK: Tests
        tests("SluiceTests", ["Sluice", "SluiceTesting"]),
        tests("SluiceTestingTests", ["Sluice", "SluiceTesting", nioCore, nioPosix]),
        tests("SluiceTelemetryTests", ["Sluice", "SluiceTelemetry", "SluiceTesting", logging, metrics]),
        tests("SluiceSimulationTests", ["Sluice", "SluiceSimulation"]),
        tests("SluiceMySQLTests", ["Sluice", "SluiceMySQL", "SluiceSQL", "SluiceTesting"]),
        tests("SluiceRedisTests", ["Sluice", "SluiceRedis", "SluiceTesting", nioCore, nioPosix]),
        tests("SluiceSQLTests", ["Sluice", "SluiceSQL", "SluiceTesting"]),
        tests("SluiceSQLiteTests", ["Sluice", "SluiceSQL", "SluiceSQLite", "SluiceTesting"]),
        tests("SluicePostgresTests", ["Sluice", "SluiceSQL", "SluicePostgres", "SluiceTesting"]),
        tests(
            "SluiceWebSocketTests",
            ["Sluice", "SluiceTesting", "SluiceWebSocket", httpTypes, nioCore, nioEmbedded, nioPosix, nioSSL]),
        tests(
            "SluiceHTTPTests",
            [
                "CZlib", "Sluice", "SluiceHTTP", "SluiceTesting", httpTypes, nioCore, nioEmbedded, nioHTTP1,
                nioPosix,
            ]),
        tests(
            "SluiceHTTPCacheRedisTests",
            ["Sluice", "SluiceHTTP", "SluiceHTTPCacheRedis", "SluiceRedis", "SluiceTesting", httpTypes, nioCore]),
        tests(
            "SluiceHTTPCacheSQLTests",
            [
                "Sluice", "SluiceHTTP", "SluiceHTTPCacheSQL", "SluiceMySQL", "SluicePostgres", "SluiceSQL",
                "SluiceSQLite", "SluiceTesting", httpTypes, nioCore,
            ]),
        tests(
            "SluiceServerTests",
            [
                "Sluice", "SluiceHTTP", "SluiceSQL", "SluiceSQLite", "SluiceServer", "SluiceTelemetry",
                "SluiceTesting", "SluiceWebSocket", configuration, httpTypes, hummingbird, hummingbirdTesting,
                lifecycle, logging, nioCore, nioEmbedded, nioPosix,
            ]),
        tests(
            "ClubhouseTests",
            [
                "Clubhouse", "Sluice", "SluiceSQL", "SluiceSQLite", "SluiceServer", "SluiceTelemetry", "SluiceTesting",
                configuration, httpTypes, hummingbird, hummingbirdTesting, logging, nioCore,
            ],
            path: "Apps/Clubhouse/Tests"),
        tests(
            "IntegrationTests",
            [
                "Sluice", "SluiceCommand", "SluiceMySQL", "SluicePostgres", "SluiceSQL", "SluiceSQLite",
                "SluiceSimulation", "SluiceTesting", asyncHTTPClient, nioCore, nioHTTP1, nioPosix,
            ]),
    ]
)

/// One module of the toolkit, filed under its layer: `Sources/<layer>/<name>`.
func module(_ layer: String, _ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(layer)/\(name)", swiftSettings: settings)
}

/// One backend, which sees only what the toolkit makes public.
func app(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Apps/\(name)/Sources", packageAccess: false,
        swiftSettings: settings)
}

/// The tests of one module.
func tests(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: path ?? "Tests/\(name)", swiftSettings: settings)
}

// The documentation plugin is needed by `make docs` alone, so nobody else has to fetch it.
if Context.environment["SLUICE_DOCS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin.git", from: "1.5.0"))
}
