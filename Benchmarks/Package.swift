// swift-tools-version:6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "sluice", path: ".."),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
    ],
    targets: [
        .executableTarget(
            name: "CoreBench", dependencies: [.product(name: "Sluice", package: "sluice")], swiftSettings: settings),
        .executableTarget(
            name: "BareHummingbird", dependencies: [.product(name: "Hummingbird", package: "hummingbird")],
            swiftSettings: settings),
    ]
)
