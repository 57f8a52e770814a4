// SPDX-License-Identifier: Apache-2.0
public import Configuration

/// One configuration key: its name, default, range and meaning, written down once for reading, checking and explaining.
public struct Setting<Value: SettingValue>: Sendable {
    /// The key, for example `log.level`; in the environment `SLUICE_LOG_LEVEL`.
    public let key: String
    /// What holds if nobody says otherwise.
    public let fallback: Value
    /// The values allowed, in words, for error messages and help.
    public let range: String
    /// What it is for, in one line.
    public let help: String
    /// Whether the value must not be shown.
    public let isSecret: Bool
    private let isAllowed: @Sendable (Value) -> Bool

    /// Creates a setting.
    ///
    /// - Parameters:
    ///   - key: Parts in lower camel case, joined by dots.
    ///   - fallback: The default.
    ///   - range: The values allowed, in words.
    ///   - isSecret: Whether the value must not be shown.
    ///   - help: What it is for.
    ///   - isAllowed: Whether a value is within the range.
    public init(
        _ key: String, default fallback: Value, range: String, isSecret: Bool = false, help: String,
        isAllowed: @escaping @Sendable (Value) -> Bool = { _ in true }
    ) {
        self.key = key
        self.fallback = fallback
        self.range = range
        self.help = help
        self.isSecret = isSecret
        self.isAllowed = isAllowed
    }

    func allows(_ value: Value) -> Bool { self.isAllowed(value) }
}

extension Setting where Value == Int {
    /// Creates a setting for a whole number within bounds.
    public init(_ key: String, default fallback: Int, in bounds: ClosedRange<Int>, help: String) {
        self.init(
            key, default: fallback, range: "\(bounds.lowerBound)...\(bounds.upperBound)", help: help,
            isAllowed: bounds.contains)
    }
}

extension Setting where Value == String {
    /// Creates a setting for one of several words.
    public init(_ key: String, default fallback: String, oneOf words: [String], help: String) {
        self.init(key, default: fallback, range: words.joined(separator: ", "), help: help, isAllowed: words.contains)
    }
}

extension Setting where Value == Bool {
    /// Creates a setting that is on or off.
    public init(_ key: String, default fallback: Bool, help: String) {
        self.init(key, default: fallback, range: "true, false", help: help)
    }
}

/// A type a setting can have.
public protocol SettingValue: Sendable {
    /// What a provider is asked for.
    static var configType: ConfigType { get }
    /// The value a provider gave, or nil if it is of another type.
    init?(_ content: ConfigContent)
}

extension Int: SettingValue {
    /// An integer.
    public static var configType: ConfigType { .int }

    /// Takes an integer.
    public init?(_ content: ConfigContent) {
        guard case .int(let value) = content else { return nil }
        self = value
    }
}

extension Bool: SettingValue {
    /// A Boolean.
    public static var configType: ConfigType { .bool }

    /// Takes a Boolean.
    public init?(_ content: ConfigContent) {
        guard case .bool(let value) = content else { return nil }
        self = value
    }
}

extension String: SettingValue {
    /// A string.
    public static var configType: ConfigType { .string }

    /// Takes a string.
    public init?(_ content: ConfigContent) {
        guard case .string(let value) = content else { return nil }
        self = value
    }
}
