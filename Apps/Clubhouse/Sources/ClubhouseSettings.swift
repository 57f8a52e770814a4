// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceHTTP
public import SluiceServer

/// How Clubhouse fetches a season from its source.
public enum ClubhouseSettings {
    /// The setting `clubhouse.import.deadlineSeconds`.
    public static let deadline = Setting(
        "clubhouse.import.deadlineSeconds", default: 30, in: 1...600,
        help: "The longest fetching a season may take, retries included.")
    /// The setting `clubhouse.import.attemptTimeoutSeconds`.
    public static let attemptTimeout = Setting(
        "clubhouse.import.attemptTimeoutSeconds", default: 10, in: 1...600, help: "The longest one attempt may take.")
    /// The setting `clubhouse.import.maximumAttempts`.
    public static let maximumAttempts = Setting(
        "clubhouse.import.maximumAttempts", default: 3, in: 1...10, help: "Attempts in total.")
    /// The setting `clubhouse.import.initialDelayMilliseconds`.
    public static let initialDelay = Setting(
        "clubhouse.import.initialDelayMilliseconds", default: 1_000, in: 1...30_000,
        help: "The longest wait before the second attempt; it doubles from then on.")
    /// The setting `clubhouse.import.breakerFailures`.
    public static let breakerFailures = Setting(
        "clubhouse.import.breakerFailures", default: 5, in: 1...1_000,
        help: "Failures in a row after which a host is left alone.")
    /// The setting `clubhouse.import.breakerOpenSeconds`.
    public static let breakerOpen = Setting(
        "clubhouse.import.breakerOpenSeconds", default: 60, in: 1...3_600, help: "How long it is left alone.")
    /// The setting `clubhouse.import.callsPerMinute`.
    public static let callsPerMinute = Setting(
        "clubhouse.import.callsPerMinute", default: 100, in: 1...60_000, help: "Requests a minute to one host.")
    /// The setting `clubhouse.import.maximumBodyBytes`.
    public static let maximumBodyBytes = Setting(
        "clubhouse.import.maximumBodyBytes", default: 16_777_216, in: 1_024...268_435_456,
        help: "The largest season accepted, in bytes.")

    /// All of them, for `sluice config`.
    public static let all = [
        SettingDescription(deadline), SettingDescription(attemptTimeout), SettingDescription(maximumAttempts),
        SettingDescription(initialDelay), SettingDescription(breakerFailures), SettingDescription(breakerOpen),
        SettingDescription(callsPerMinute), SettingDescription(maximumBodyBytes),
    ]

    static func client(_ settings: Settings) throws(ConfigurationError) -> APIClientConfiguration {
        let initialDelay = Duration.milliseconds(try settings.value(self.initialDelay))
        return APIClientConfiguration(
            deadline: .seconds(try settings.value(self.deadline)),
            attemptTimeout: .seconds(try settings.value(self.attemptTimeout)),
            maximumAttempts: try settings.value(self.maximumAttempts),
            backoff: Backoff.exponential(from: initialDelay).capped(at: max(initialDelay, .seconds(30))).jittered(),
            breakerFailures: try settings.value(self.breakerFailures),
            breakerOpenFor: .seconds(try settings.value(self.breakerOpen)),
            callsPerMinute: try settings.value(self.callsPerMinute),
            maximumBodyBytes: try settings.value(self.maximumBodyBytes))
    }
}
