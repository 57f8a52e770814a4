// SPDX-License-Identifier: Apache-2.0

extension ConnectionPoolMachine {
    /// What is to be done after an event, outside every lock.
    public struct Effects: Sendable, Hashable {
        /// A connection for a caller that has waited.
        public struct Loan: Sendable, Hashable {
            /// Who has waited.
            public let ticket: Ticket
            /// What it gets.
            public let connection: Int
        }

        /// A connection to close.
        public struct Closing: Sendable, Hashable {
            /// Which.
            public let connection: Int
            /// Why.
            public let reason: PoolCloseReason
        }

        /// Whose turn it is, in order.
        public var lent: [Loan] = []
        /// Who has waited in vain, in order: because the pool was closed, or else because the server turns us away.
        public var refused: [Ticket] = []
        /// Connections to open; how that went is ``connected(_:at:fraction:)`` or ``connectFailed(_:isPermanent:at:fraction:)``.
        public var connect: [Int] = []
        /// Connections to ask whether they are alive; the answer is ``pinged(_:isAlive:at:)``.
        public var ping: [Int] = []
        /// Connections to close; ``closed(_:at:)`` is to be called when the server has none of it any more.
        public var close: [Closing] = []

        /// Nothing to do.
        public init() {}

        /// Whether there is nothing to do.
        public var isEmpty: Bool {
            self.lent.isEmpty && self.refused.isEmpty && self.connect.isEmpty && self.ping.isEmpty
                && self.close.isEmpty
        }
    }
}
