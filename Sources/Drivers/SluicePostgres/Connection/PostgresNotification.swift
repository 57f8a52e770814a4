// SPDX-License-Identifier: Apache-2.0
import CPQ

/// What `NOTIFY` told those who listen.
public struct PostgresNotification: Sendable, Hashable {
    /// The channel's name.
    public let channel: String
    /// What was said; may be empty.
    public let payload: String
    /// The server process whose session said it.
    public let processID: Int

    init(_ notification: UnsafeMutablePointer<PGnotify>) {
        self.channel = String(cString: notification.pointee.relname)
        self.payload = String(cString: notification.pointee.extra)
        self.processID = Int(notification.pointee.be_pid)
    }
}
