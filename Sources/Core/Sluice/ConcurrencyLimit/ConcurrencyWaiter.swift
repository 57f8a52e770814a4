// SPDX-License-Identifier: Apache-2.0

/// One call that waits for a place.
struct ConcurrencyWaiter: Sendable {
    /// How the wait ended.
    enum End: Sendable {
        case admitted, cancelled, expired, tooLate, shed, full
    }

    let ticket: ConcurrencyMachine.Ticket
    private let suspension = Suspension<End>()

    init(_ ticket: ConcurrencyMachine.Ticket) {
        self.ticket = ticket
    }

    func settle(_ end: End) { self.suspension.settle(end) }
    func value() async -> End { await self.suspension.value() }
}
