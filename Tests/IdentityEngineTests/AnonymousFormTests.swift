import IdentityEngine
import Testing

/// Which ids `$identify` takes on its anonymous side: P 7.4.
struct AnonymousFormTests {
    struct Case: CustomTestStringConvertible {
        let title: String
        let id: String
        /// The forms that the id has.
        let forms: Set<AnonymousForm>

        init(_ title: String, _ id: String, _ forms: Set<AnonymousForm>) {
            self.title = title
            self.id = id
            self.forms = forms
        }

        var testDescription: String { "\(title): \(id)" }
    }

    static let all: Set<AnonymousForm> = [.mixpanel, .uuid4, .any]
    static let old: Set<AnonymousForm> = [.mixpanel, .any]
    static let none: Set<AnonymousForm> = [.any]
    static let eleven = "18b9c5d1f2a"
    static let twentyFour = "18b9c5d1f2a4d118b9c5d1f2"

    static let table = [
        Case("version 4", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10", all),
        Case("version 4, upper case (Swift, IDFV)", "0B4A7C1E-9F3D-4E21-8A6B-5C2D9E8F7A10", all),
        Case("version 4, mixed case", "0b4A7c1E-9f3D-4e21-aA6b-5C2d9e8F7a10", all),
        Case("version 4, digits only", "00000000-0000-4000-8000-000000000000", all),
        Case("variant 9", "0b4a7c1e-9f3d-4e21-9a6b-5c2d9e8f7a10", all),
        Case("variant a", "0b4a7c1e-9f3d-4e21-aa6b-5c2d9e8f7a10", all),
        Case("variant b", "0b4a7c1e-9f3d-4e21-ba6b-5c2d9e8f7a10", all),
        Case("variant A", "0B4A7C1E-9F3D-4E21-AA6B-5C2D9E8F7A10", all),
        Case("variant B", "0B4A7C1E-9F3D-4E21-BA6B-5C2D9E8F7A10", all),
        Case("variant 7", "0b4a7c1e-9f3d-4e21-7a6b-5c2d9e8f7a10", none),
        Case("variant c", "0b4a7c1e-9f3d-4e21-ca6b-5c2d9e8f7a10", none),
        Case("variant 0", "0b4a7c1e-9f3d-4e21-0a6b-5c2d9e8f7a10", none),
        Case("a device's id", "$device:0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10", all),
        Case("a device's id, upper case", "$device:0B4A7C1E-9F3D-4E21-8A6B-5C2D9E8F7A10", all),
        Case("the prefix twice", "$device:$device:0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10", none),
        Case("the prefix in upper case", "$DEVICE:0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10", none),
        Case("the prefix alone", "$device:", none),
        Case("the prefix and a serial number", "$device:C02XK0ZZJGH5", none),
        Case("the prefix, cut", "$device0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10", none),
        Case("the prefix behind", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10$device:", none),
        Case("version 1", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", none),
        Case("version 3", "6fa459ea-ee8a-3ca4-894e-db77e160355e", none),
        Case("version 5", "886313e1-3b8a-5372-9b90-0c9aee199e5d", none),
        Case("version 7", "018f3f6e-7c1a-7b3c-8d2e-9f1a2b3c4d5e", none),
        Case("the nil UUID", "00000000-0000-0000-0000-000000000000", none),
        Case("the greatest UUID", "ffffffff-ffff-ffff-ffff-ffffffffffff", none),
        Case("no dashes, as Python's uuid4().hex", "0b4a7c1e9f3d4e218a6b5c2d9e8f7a10", none),
        Case("braces", "{0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10}", none),
        Case("a URN", "urn:uuid:0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10", none),
        Case("a blank before", " 0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10", none),
        Case("a blank behind", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10 ", none),
        Case("a line end behind", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10\n", none),
        Case("a zero byte behind", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10\0", none),
        Case("a letter past f", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a1g", none),
        Case("a sign for a digit", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a1@", none),
        Case("a dash for a digit", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f-a10", none),
        Case("a digit for a dash", "0b4a7c1e09f3d-4e21-8a6b-5c2d9e8f7a10", none),
        Case("a dash out of place", "0b4a7c1-e9f3d-4e21-8a6b-5c2d9e8f7a10", none),
        Case("a digit short", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a1", none),
        Case("a digit over", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a100", none),
        Case("a dash behind", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10-", none),
        Case("wide digits", "0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a１０", none),
        Case("nothing", "", none),
        Case("an email", "ada@example.com", none),
        Case("a number", "1234567890", none),
        Case("a ULID", "01ARZ3NDEKTSV4RRFFQ69G5FAV", none),
        Case("an ObjectId", "507f1f77bcf86cd799439011", none),
        Case("dashes only", "----", none),
        Case("old mixpanel-js", "18b9c5d1f2a4d1-0c2f6e5a9b3d48-1e387640-1fa400-18b9c5d1f2b9e2", old),
        Case("old mixpanel-js, upper case", "18B9C5D1F2A4D1-0C2F6E5A9B3D48-1E387640-1FA400-18B9C5D1F2B9E2", old),
        Case("old mixpanel-js, a device", "$device:18b9c5d1f2a4d1-0c2f6e5a9b3d48-1e387640-1fa400-18b9c5d1f2b9e2", old),
        Case("old mixpanel-js, shortest groups", "\(eleven)-0-1-1-\(eleven)", old),
        Case("old, longest", "\(twentyFour)-0123456789abcdef-01234567-01234567-\(twentyFour)", old),
        Case("old, as long as a UUID", "18b9c5d1f2a-0c-1-1fa400-18b9c5d1f2a4", old),
        Case("old, first group short", "18b9c5d1f2-0-1-1-\(eleven)", none),
        Case("old, first group long", "\(twentyFour)0-0-1-1-\(eleven)", none),
        Case("old, second group empty", "\(eleven)--1-1-\(eleven)", none),
        Case("old, second group long", "\(eleven)-0123456789abcdef0-1-1-\(eleven)", none),
        Case("old, third group long", "\(eleven)-0-012345678-1-\(eleven)", none),
        Case("old, fourth group long", "\(eleven)-0-1-012345678-\(eleven)", none),
        Case("old, last group short", "\(eleven)-0-1-1-18b9c5d1f2", none),
        Case("old, last group long", "\(eleven)-0-1-1-\(twentyFour)0", none),
        Case("old, last group empty", "\(eleven)-0-1-1-", none),
        Case("old, four groups", "\(eleven)-0-1-\(eleven)", none),
        Case("old, six groups", "\(eleven)-0-1-1-\(eleven)-\(eleven)", none),
        Case("old, not hexadecimal", "\(eleven)-0-1-x-\(eleven)", none),
    ]

    @Test(arguments: table) func `an id has the forms of P 7.4 and no other`(_ row: Case) {
        let forms = AnonymousForm.allCases.filter { $0.matches(DistinctID(row.id)) }
        #expect(Set(forms) == row.forms)
    }

    @Test func `every byte in the place of a digit is a hexadecimal digit or refused`() {
        let hexDigits = Set("0123456789abcdefABCDEF".utf8)
        let id = Array("0b4a7c1e-9f3d-4e21-8a6b-5c2d9e8f7a10".utf8)
        for byte in UInt8.min...UInt8.max {
            var changed = id
            changed[30] = byte
            #expect(AnonymousForm.uuid4.matches(DistinctID(changed)) == hexDigits.contains(byte), "byte \(byte)")
        }
    }
}
