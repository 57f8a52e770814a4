// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@Suite("Secret")
struct SecretTests {
    struct Account {
        let name = "ada"
        let password: Secret
    }

    @Test("no description, interpolation, dump or reflection shows the value")
    func redacted() {
        let account = Account(password: Secret("hunter2"))
        var dumped = ""
        dump(account, to: &dumped)
        let optional: Secret? = account.password
        let texts = [
            "\(account.password)", String(reflecting: account.password), "\(account)", String(reflecting: account),
            "\([account.password])", "\(["key": account.password])", "\(String(describing: optional))", dumped,
            "\(Mirror(reflecting: account.password).children.map { "\($0)" })",
        ]
        for text in texts { #expect(!text.contains("hunter2"), "\(text)") }
        #expect("\(account.password)" == "***")
        #expect(account.password.reveal() == "hunter2")
    }
}
