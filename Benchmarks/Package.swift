// swift-tools-version:6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let sluice = Target.Dependency.product(name: "Sluice", package: "sluice")

let package = Package(
    name: "benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "sluice", path: ".."),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift.git", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        // Without traits: its allocation counts would need jemalloc, and ours come from our own counter.
        .package(url: "https://github.com/ordo-one/benchmark.git", from: "1.38.1", traits: []),
    ],
    targets: [
        .target(name: "CoreCases", dependencies: [sluice], swiftSettings: settings),
        .executableTarget(
            name: "SQLBench",
            dependencies: [
                .product(name: "Sluice", package: "sluice"), .product(name: "SluiceSQL", package: "sluice"),
                .product(name: "SluiceSQLite", package: "sluice"), .product(name: "SluicePostgres", package: "sluice"),
                .product(name: "SluiceMySQL", package: "sluice"),
            ], swiftSettings: settings),
        .executableTarget(
            name: "WebSocketBench",
            dependencies: [sluice, .product(name: "SluiceWebSocket", package: "sluice")], swiftSettings: settings),
        .executableTarget(
            name: "CacheBench",
            dependencies: [
                sluice, .product(name: "SluiceHTTP", package: "sluice"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
            ], swiftSettings: settings),
        .executableTarget(name: "CoreBench", dependencies: ["CoreCases"], swiftSettings: settings),
        .executableTarget(
            name: "PolicyBenchmarks",
            dependencies: ["CoreCases", .product(name: "Benchmark", package: "benchmark")],
            path: "Benchmarks/PolicyBenchmarks", swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
        .executableTarget(
            name: "BareHummingbird", dependencies: [.product(name: "Hummingbird", package: "hummingbird")],
            swiftSettings: settings),
        .executableTarget(
            name: "HTTPClientBench",
            dependencies: [
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "Sluice", package: "sluice"), .product(name: "SluiceHTTP", package: "sluice"),
            ], swiftSettings: settings),
        .executableTarget(
            name: "GRDBBench", dependencies: [.product(name: "GRDB", package: "GRDB.swift")], swiftSettings: settings),
    ]
)
