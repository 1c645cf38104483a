import MixpanelWire
import Testing

struct CredentialsTests {
    @Test(
        arguments: [
            (nil, Credentials.none),
            ("Basic dG9rZW46", .basic(name: "token", password: "")),
            ("basic  dG9rZW46c2VjOnJldA== ", .basic(name: "token", password: "sec:ret")),
            ("BASIC dG9rZW46c2VjOnJldA", .basic(name: "token", password: "sec:ret")),
            ("Basic ci.1.mp-service-account:s:1", .basic(name: "ci.1.mp-service-account", password: "s:1")),
            ("Basic :x", .basic(name: "", password: "x")),
            ("Basic w6k6", .basic(name: "é", password: "")),
            ("Basic dG9rZW4=", .basic(name: "token", password: "")),
            ("Basic w6k=", .basic(name: "é", password: "")), ("Basic 6Q==", .unsupported), ("Basic", .unsupported),
            ("Basic ", .unsupported), ("", .unsupported),
            ("Basic %%%", .unsupported), ("Basic /zo=", .unsupported), ("Bearer abc:def", .unsupported),
            ("Basicdog:cat", .unsupported),
        ] as [(String?, Credentials)])
    func `a Basic value is base64 or plain text, split at the first colon if there is one`(
        _ header: String?, _ expected: Credentials
    ) {
        #expect(Credentials(authorization: header) == expected)
    }
}
