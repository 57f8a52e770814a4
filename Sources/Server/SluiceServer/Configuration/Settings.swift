// SPDX-License-Identifier: Apache-2.0
public import Configuration
import Foundation
import SluiceSQL
import SystemPackage

/// Every source of configuration, the strongest first: command line, environment, `.env`, file, defaults.
///
/// In the environment, and in `.env`, keys are written `SLUICE_LOG_LEVEL`; in the file as nested JSON objects,
/// `{"log": {"level": "debug"}}`.
public struct Settings: Sendable {
    /// One place values come from.
    public struct Source: Sendable {
        /// Its name, as shown by `sluice config`.
        public let name: String
        fileprivate let provider: any ConfigProvider

        /// Creates a source.
        public init(_ name: String, _ provider: some ConfigProvider) {
            self.name = name
            self.provider = provider
        }
    }

    private let sources: [Source]

    /// Creates settings from sources, the strongest first.
    public init(_ sources: [Source]) {
        self.sources = sources
    }

    /// Creates settings from the usual sources.
    ///
    /// - Parameters:
    ///   - arguments: What the command line says, by key.
    ///   - environment: The process's environment.
    ///   - environmentFile: The path of a `.env` file, which may be missing.
    ///   - file: The path of a JSON file, which must exist; none if nil.
    /// - Throws: If a file cannot be read or is malformed.
    public static func load(
        arguments: [String: String], environment: [String: String], environmentFile: String = ".env", file: String?
    ) async throws -> Settings {
        // Words from the command line are parsed as those of the environment are, so the same encoding carries them.
        let encoded = arguments.map { (Self.environmentName($0.key), $0.value) }
        var sources = [
            Source("command line", Self.prefixed(environment: Dictionary(encoded) { _, last in last })),
            Source("environment", Self.prefixed(environment: environment)),
            Source(
                environmentFile,
                try await EnvironmentVariablesProvider(
                    environmentFilePath: FilePath(environmentFile), allowMissing: true
                ).prefixKeys(with: "sluice")),
        ]
        if let file {
            sources.append(Source(file, try await FileProvider<JSONSnapshot>(filePath: FilePath(file))))
        }
        return Settings(sources)
    }

    /// The value of a setting.
    ///
    /// - Throws: ``ConfigurationError`` if the strongest source that has the key has a value that is not allowed.
    public func value<Value>(_ setting: Setting<Value>) throws(ConfigurationError) -> Value {
        try self.lookUp(setting).value
    }

    /// The value of a setting and the name of the source it came from.
    public func lookUp<Value>(_ setting: Setting<Value>) throws(ConfigurationError) -> (value: Value, origin: String) {
        let key = AbsoluteConfigKey(setting.key.split(separator: ".").map(String.init))
        for source in self.sources {
            let failure = ConfigurationError(key: setting.key, origin: source.name, range: setting.range)
            let found: ConfigContent?
            do {
                found = try source.provider.value(forKey: key, type: Value.configType).value?.content
            } catch {
                throw failure
            }
            guard let content = found else { continue }
            guard let value = Value(content), setting.allows(value) else { throw failure }
            return (value, source.name)
        }
        return (setting.fallback, "default")
    }

    private static func prefixed(environment: [String: String]) -> some ConfigProvider {
        EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "sluice")
    }

    /// `clubhouse.import.deadlineSeconds` as `SLUICE_CLUBHOUSE_IMPORT_DEADLINE_SECONDS`.
    ///
    /// As the providers themselves write keys: a word begins where a capital follows a small letter, so `baseURL` is `BASE_URL`.
    static func environmentName(_ key: String) -> String {
        var name = "SLUICE_"
        var isAfterSmall = false
        for character in key {
            if isAfterSmall, character.isUppercase { name += "_" }
            name += character == "." ? "_" : character.uppercased()
            isAfterSmall = character.isLowercase
        }
        return name
    }
}

/// A setting whatever its type, to list them all.
public struct SettingDescription: Sendable {
    /// What `sluice config` says about one key.
    public struct Entry: Sendable, Hashable, Codable {
        /// The key.
        public let key: String
        /// Its value, or asterisks if it is secret.
        public let value: String
        /// Where the value came from.
        public let origin: String
        /// The values allowed, in words.
        public let range: String
        /// What it is for.
        public let help: String
    }

    /// The key.
    public let key: String
    private let describe: @Sendable (Settings) throws(ConfigurationError) -> Entry

    /// Describes a setting.
    public init<Value>(_ setting: Setting<Value>) {
        self.key = setting.key
        self.describe = { (settings) throws(ConfigurationError) in
            let (value, origin) = try settings.lookUp(setting)
            return Entry(
                key: setting.key, value: setting.isSecret ? "***" : Self.withoutPassword("\(value)"), origin: origin,
                range: setting.range, help: setting.help)
        }
    }

    /// A URL without the password that may be in it; any other text as it is.
    private static func withoutPassword(_ text: String) -> String {
        guard text.contains("://"), let url = try? DatabaseURL(text),
            url.password != nil || url.parameters["password"] != nil
        else { return text }
        return url.description
    }

    /// The key's value and where it came from.
    public func entry(in settings: Settings) throws(ConfigurationError) -> Entry {
        try self.describe(settings)
    }
}
