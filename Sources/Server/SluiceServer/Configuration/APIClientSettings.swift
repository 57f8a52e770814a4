// SPDX-License-Identifier: Apache-2.0
import Sluice
public import SluiceHTTP

/// The settings of an API client under a prefix, for example `weather.api`: `weather.api.timeoutSeconds` and so on.
public struct APIClientSettings: Sendable {
    /// The setting `baseURL`; empty for none.
    public let baseURL: Setting<String>
    /// The setting `timeoutSeconds`.
    public let timeout: Setting<Int>
    /// The setting `attemptTimeoutSeconds`.
    public let attemptTimeout: Setting<Int>
    /// The setting `maximumAttempts`.
    public let maximumAttempts: Setting<Int>
    /// The setting `retryDelayMilliseconds`.
    public let retryDelay: Setting<Int>
    /// The setting `callsPerMinute`.
    public let callsPerMinute: Setting<Int>
    /// The setting `timeToLiveSeconds`.
    public let timeToLive: Setting<Int>
    /// The setting `connectionsPerHost`.
    public let connectionsPerHost: Setting<Int>
    /// The setting `connections`.
    public let connections: Setting<Int>
    /// The setting `breakerFailures`.
    public let breakerFailures: Setting<Int>
    /// The setting `breakerOpenSeconds`.
    public let breakerOpen: Setting<Int>
    /// The setting `maximumBodyBytes`.
    public let maximumBodyBytes: Setting<Int>

    /// Names the settings.
    ///
    /// - Parameter prefix: Parts in lower camel case, joined by dots.
    public init(prefix: String) {
        self.baseURL = Setting(
            "\(prefix).baseURL", default: "", range: "an http or https URL, or nothing", help: "What paths are below.",
            isAllowed: { $0.isEmpty || (try? HTTPOrigin($0)) != nil })
        self.timeout = Setting(
            "\(prefix).timeoutSeconds", default: 30, in: 1...3_600,
            help: "The longest a call may take, retries included.")
        self.attemptTimeout = Setting(
            "\(prefix).attemptTimeoutSeconds", default: 10, in: 1...3_600, help: "The longest one attempt may take.")
        self.maximumAttempts = Setting(
            "\(prefix).maximumAttempts", default: Defaults.maximumAttempts, in: 1...10, help: "Attempts in total.")
        self.retryDelay = Setting(
            "\(prefix).retryDelayMilliseconds", default: 1_000, in: 1...30_000,
            help: "The longest wait before the second attempt; it doubles from then on.")
        self.callsPerMinute = Setting(
            "\(prefix).callsPerMinute", default: Defaults.callsPerMinute, in: 1...6_000_000,
            help: "Calls a minute to one host.")
        self.timeToLive = Setting(
            "\(prefix).timeToLiveSeconds", default: 3_600, in: 1...31_536_000,
            help: "How long an answer with a cache key of the caller's is fresh.")
        self.connectionsPerHost = Setting(
            "\(prefix).connectionsPerHost", default: 20, in: 1...10_000, help: "Connections to one host.")
        self.connections = Setting("\(prefix).connections", default: 100, in: 1...100_000, help: "Connections in all.")
        self.breakerFailures = Setting(
            "\(prefix).breakerFailures", default: Defaults.consecutiveFailures, in: 1...1_000,
            help: "Failures in a row after which a host is left alone.")
        self.breakerOpen = Setting(
            "\(prefix).breakerOpenSeconds", default: 60, in: 1...3_600, help: "How long it is left alone.")
        self.maximumBodyBytes = Setting(
            "\(prefix).maximumBodyBytes", default: 16 << 20, in: 1_024...(1 << 30),
            help: "The largest body accepted, in bytes.")
    }

    /// All of them, for `sluice config`.
    public var all: [SettingDescription] {
        [
            SettingDescription(self.baseURL), SettingDescription(self.timeout), SettingDescription(self.attemptTimeout),
            SettingDescription(self.maximumAttempts), SettingDescription(self.retryDelay),
            SettingDescription(self.callsPerMinute), SettingDescription(self.timeToLive),
            SettingDescription(self.connectionsPerHost), SettingDescription(self.connections),
            SettingDescription(self.breakerFailures), SettingDescription(self.breakerOpen),
            SettingDescription(self.maximumBodyBytes),
        ]
    }

    /// The client's configuration.
    public func configuration(_ settings: Settings) throws(ConfigurationError) -> APIClientConfiguration {
        let baseURL = try settings.value(self.baseURL)
        let delay = Duration.milliseconds(try settings.value(self.retryDelay))
        return APIClientConfiguration(
            baseURL: baseURL.isEmpty ? nil : baseURL, deadline: .seconds(try settings.value(self.timeout)),
            attemptTimeout: .seconds(try settings.value(self.attemptTimeout)),
            maximumAttempts: try settings.value(self.maximumAttempts),
            backoff: Backoff.exponential(from: delay).capped(at: max(delay, .seconds(30))).jittered(),
            breakerFailures: try settings.value(self.breakerFailures),
            breakerOpenFor: .seconds(try settings.value(self.breakerOpen)),
            callsPerMinute: try settings.value(self.callsPerMinute),
            maximumBodyBytes: try settings.value(self.maximumBodyBytes),
            timeToLive: .seconds(try settings.value(self.timeToLive)))
    }

    /// The settings of the client's transport.
    public func transport(_ settings: Settings) throws(ConfigurationError) -> HTTPTransportSettings {
        HTTPTransportSettings(
            rules: AddressRules(allowsPrivateAddresses: try settings.value(ServerSettings.allowPrivateAddresses)),
            maximumConnections: try settings.value(self.connections),
            maximumConnectionsPerHost: try settings.value(self.connectionsPerHost))
    }
}
