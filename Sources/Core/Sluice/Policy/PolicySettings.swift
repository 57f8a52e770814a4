// SPDX-License-Identifier: Apache-2.0

/// The values that a policy works by, each readable and changeable by name as text.
///
/// One list of keys serves ``Pipeline/describe()``, configuration, live changes and the simulator, so that a setting is spelled
/// alike everywhere.
public protocol PolicySettings: Sendable, Hashable {
    /// Every value by name.
    static var keys: [SettingKey<Self>] { get }

    /// Checks the values against each other; each on its own is checked by its key.
    func validate() throws(InvalidSettingError)
}

/// One value of some ``PolicySettings``.
public struct SettingKey<Settings>: Sendable {
    /// The value's name, for example `openFor`.
    public let name: String
    /// What it may be, in words, for messages.
    public let range: String
    let read: @Sendable (Settings) -> String
    let write: @Sendable (inout Settings, String) -> Bool

    /// A value of any kind that can be written as text.
    ///
    /// - Parameters:
    ///   - name: The value's name, for example `openFor`.
    ///   - range: What it may be, in words, for messages.
    ///   - read: The value as text.
    ///   - write: Sets the value; false if the text does not say one that is in range.
    public init(
        _ name: String, range: String, read: @escaping @Sendable (Settings) -> String,
        write: @escaping @Sendable (inout Settings, String) -> Bool
    ) {
        self.name = name
        self.range = range
        self.read = read
        self.write = write
    }
}

extension SettingKey {
    /// A whole number.
    public static func integer(
        _ name: String, _ range: ClosedRange<Int>, _ path: any (WritableKeyPath<Settings, Int> & Sendable)
    ) -> SettingKey {
        SettingKey(name, range: "\(range.lowerBound) to \(range.upperBound)") {
            String($0[keyPath: path])
        } write: { settings, text in
            guard let value = Int(text), range.contains(value) else { return false }
            settings[keyPath: path] = value
            return true
        }
    }

    /// A number.
    public static func number(
        _ name: String, _ range: ClosedRange<Double>, _ path: any (WritableKeyPath<Settings, Double> & Sendable)
    ) -> SettingKey {
        SettingKey(name, range: "\(range.lowerBound) to \(range.upperBound)") {
            "\($0[keyPath: path])"
        } write: { settings, text in
            guard let value = Double(text), range.contains(value) else { return false }
            settings[keyPath: path] = value
            return true
        }
    }

    /// A duration such as `250ms`.
    public static func duration(
        _ name: String, atLeast minimum: Duration, _ path: any (WritableKeyPath<Settings, Duration> & Sendable)
    ) -> SettingKey {
        SettingKey(name, range: "a duration of at least \(DurationText.text(minimum))") {
            DurationText.text($0[keyPath: path])
        } write: { settings, text in
            guard let value = DurationText.duration(text), value >= minimum else { return false }
            settings[keyPath: path] = value
            return true
        }
    }

    /// One of some words.
    public static func choice<Choice: RawRepresentable<String> & CaseIterable & SendableMetatype>(
        _ name: String, _ path: any (WritableKeyPath<Settings, Choice> & Sendable)
    ) -> SettingKey {
        SettingKey(name, range: "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", ")) {
            $0[keyPath: path].rawValue
        } write: { settings, text in
            guard let value = Choice(rawValue: text) else { return false }
            settings[keyPath: path] = value
            return true
        }
    }
}

/// A value for a policy that it cannot work by.
public struct InvalidSettingError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The setting's name.
    public let name: String
    /// What is wrong with the value and what would be right.
    public let reason: String

    /// Creates the error.
    public init(_ name: String, _ reason: String) {
        self.name = name
        self.reason = reason
    }

    /// One line.
    public var description: String { "\(self.name): \(self.reason)" }
}

extension PolicySettings {
    /// Nothing to check.
    public func validate() throws(InvalidSettingError) {}

    /// All values as text, in the order of the keys.
    public var texts: [(name: String, value: String)] { Self.keys.map { ($0.name, $0.read(self)) } }

    /// These settings with some of them changed.
    ///
    /// - Throws: ``InvalidSettingError`` for a name that does not exist or a value out of range.
    public func applying(_ changes: [String: String]) throws(InvalidSettingError) -> Self {
        var changed = self
        for (name, text) in changes.sorted(by: { $0.key < $1.key }) {
            guard let key = Self.keys.first(where: { $0.name == name }) else {
                throw InvalidSettingError(
                    name, "is not a setting; there are " + Self.keys.map(\.name).joined(separator: ", "))
            }
            guard key.write(&changed, text) else {
                throw InvalidSettingError(name, "must be \(key.range) (is \(text))")
            }
        }
        try changed.validate()
        return changed
    }

    /// These settings, if each is in range and they fit each other.
    func valid() throws(InvalidSettingError) -> Self {
        try self.applying(Dictionary(uniqueKeysWithValues: self.texts.map { ($0.name, $0.value) }))
    }

    /// Stops the program at values that a programmer got wrong.
    package func checked() -> Self {
        do {
            return try self.valid()
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
