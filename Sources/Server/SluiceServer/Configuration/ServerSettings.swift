// SPDX-License-Identifier: Apache-2.0
import Logging

/// The settings every backend shares.
public enum ServerSettings {
    /// The setting `host`.
    public static let host = Setting(
        "host", default: "127.0.0.1", range: "a host name or address", help: "The address to serve on.",
        isAllowed: { !$0.isEmpty })
    /// The setting `port`.
    public static let port = Setting(
        "port", default: 8080, in: 0...65_535, help: "The port to serve on; 0 takes a free one.")
    /// The setting `database`.
    public static let database = Setting(
        "database", default: "sqlite:var/sluice.db",
        range: "sqlite:PATH, sqlite::memory:, postgres://USER@HOST/NAME or mysql://USER@HOST/NAME",
        help: "The database's URL.",
        isAllowed: { url in
            ["sqlite:", "postgres://", "postgresql://", "mysql://", "mariadb://"].contains {
                url.hasPrefix($0) && url.count > $0.count
            }
        })
    /// The setting `allowPrivateAddresses`.
    public static let allowPrivateAddresses = Setting(
        "allowPrivateAddresses", default: false, help: "Whether loopback and private addresses may be fetched from.")
    /// The setting `log.level`.
    public static let logLevel = Setting(
        "log.level", default: "info", oneOf: Logger.Level.allCases.map(\.rawValue),
        help: "The least severe level logged.")
    /// The setting `log.format`.
    public static let logFormat = Setting(
        "log.format", default: "text", oneOf: ["text", "json"], help: "How a log line is written.")
    /// The setting `http.maximumBodyBytes`.
    public static let maximumBodyBytes = Setting(
        "http.maximumBodyBytes", default: 65_536, in: 1_024...16_777_216,
        help: "The largest request body accepted, in bytes.")
    /// The setting `http.bodyTimeoutSeconds`.
    public static let bodyTimeout = Setting(
        "http.bodyTimeoutSeconds", default: 10, in: 1...3_600, help: "The longest a request body may take to arrive.")
    /// The setting `http.maximumConnections`.
    public static let maximumConnections = Setting(
        "http.maximumConnections", default: 10_000, in: 1...1_000_000,
        help: "Connections open at once; more wait in the backlog.")
    /// The setting `http.cacheBytes`.
    public static let cacheBytes = Setting(
        "http.cacheBytes", default: 16_777_216, in: 0...1_073_741_824,
        help: "Memory for ready answers, in bytes; 0 keeps none.")
    /// The setting `threads.blocking`.
    public static let blockingThreads = Setting(
        "threads.blocking", default: 64, in: 1...10_000, help: "Threads for work that blocks.")
    /// The setting `threads.cpu`.
    public static let cpuThreads = Setting(
        "threads.cpu", default: 0, in: 0...10_000, help: "Threads for work that computes; 0 takes one for each core.")
    /// The setting `databaseTimeoutSeconds`.
    public static let databaseTimeout = Setting(
        "databaseTimeoutSeconds", default: 30, in: 1...3_600, help: "The longest one database call may take.")
    /// The setting `gracePeriodSeconds`.
    public static let gracePeriod = Setting(
        "gracePeriodSeconds", default: 20, in: 1...3_600,
        help: "How long requests under way may still take at shutdown.")

    /// All of them, for `sluice config`.
    public static let all = [
        SettingDescription(host), SettingDescription(port), SettingDescription(database),
        SettingDescription(allowPrivateAddresses), SettingDescription(logLevel), SettingDescription(logFormat),
        SettingDescription(maximumBodyBytes), SettingDescription(bodyTimeout), SettingDescription(maximumConnections),
        SettingDescription(cacheBytes), SettingDescription(blockingThreads), SettingDescription(cpuThreads),
        SettingDescription(databaseTimeout), SettingDescription(gracePeriod),
    ]
}
