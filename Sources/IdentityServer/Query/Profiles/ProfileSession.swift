import Foundation
import IdentityEngine

/// What a `session_id` says of a query for profiles: how many there are, and where pages begin (P 10-6).
///
/// It is kept nowhere: the text holds all of it, with a digest under the store's key, so that nobody makes one up.
struct ProfileSession: Hashable, Sendable {
    /// Where a page begins: after a profile's owner, in byte order.
    struct Place: Hashable, Sendable {
        var page: Int
        var after: DistinctID
    }

    /// What a session belongs to: the project, and a digest of what decides which profiles are listed.
    struct Scope: Hashable, Sendable {
        let project: ProjectID
        let digest: [UInt8]
    }

    /// The longest text that is read, in bytes.
    private static let textLimitBytes = 8192
    private static let version: UInt8 = 1
    private static let digestBytes = 16

    /// How many profiles matched when the first page was read.
    var total: Int
    /// In order of the page.
    var places: [Place]

    init(total: Int, places: [Place]) {
        self.total = total
        self.places = places
    }

    /// Reads the text of a session.
    ///
    /// - Throws: `QueryFault` where it was not made by this server, or belongs to another query.
    init(_ text: [UInt8], scope: Scope, key: SecretKey) throws(QueryFault) {
        guard text.count <= Self.textLimitBytes, let bytes = Self.decoded(text), bytes.count > Self.digestBytes,
            key.isDigest(
                bytes.suffix(Self.digestBytes), of: Array(bytes.dropLast(Self.digestBytes)), as: "profile session")
        else { throw .badRequest("session_id was not made by this server; leave it out to begin at the first page") }
        var reader = Reader(bytes: bytes.dropLast(Self.digestBytes))
        guard reader.byte() == Self.version, let project = reader.number(),
            let digest = reader.bytes(Self.digestBytes), let total = reader.number(), let count = reader.number()
        else { throw .badRequest("session_id is of another version of this server; begin at the first page") }
        guard project == scope.project.rawValue, digest.elementsEqual(scope.digest.prefix(Self.digestBytes)) else {
            throw .badRequest(
                "session_id belongs to another query; send the parameters of its first page again, or leave it out")
        }
        self.total = Int(clamping: total)
        places = []
        for _ in 0..<count {
            guard let page = reader.number(), let size = reader.number(), let after = reader.bytes(Int(clamping: size))
            else { break }
            places.append(Place(page: Int(clamping: page), after: DistinctID(Array(after))))
        }
    }

    /// The session's text, which is safe in a URL.
    func text(scope: Scope, key: SecretKey) -> String {
        var bytes: [UInt8] = [Self.version]
        func put(_ number: Int64) {
            var rest = UInt64(bitPattern: number)
            while rest >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
        }
        put(scope.project.rawValue)
        bytes += scope.digest.prefix(Self.digestBytes)
        put(Int64(total))
        put(Int64(places.count))
        for place in places {
            put(Int64(place.page))
            put(Int64(place.after.bytes.count))
            bytes += place.after.bytes
        }
        bytes += key.digest(of: bytes, as: "profile session").prefix(Self.digestBytes)
        return Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }

    private static func decoded(_ text: [UInt8]) -> [UInt8]? {
        var text = String(decoding: text, as: UTF8.self).replacing("-", with: "+").replacing("_", with: "/")
        text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        return Data(base64Encoded: text).map { Array($0) }
    }

    /// Reads what `text` wrote.
    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func byte() -> UInt8? { bytes.popFirst() }

        mutating func number() -> Int64? {
            var number: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 7) {
                guard let byte = bytes.popFirst() else { return nil }
                number |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return Int64(bitPattern: number) }
            }
            return nil
        }

        mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
            guard count >= 0, count <= bytes.count else { return nil }
            defer { bytes = bytes.dropFirst(count) }
            return bytes.prefix(count)
        }
    }
}

/// Where the pages of a listing begin, as a count passes by: all of them, or every second, fourth… where they are too
/// many for a session's text.
struct PagePlaces: Sendable {
    /// What the ids may take, in bytes, so that the text fits into any client's URL.
    private static let sizeLimitBytes = 2048

    private(set) var places: [ProfileSession.Place] = []
    private var stride = 1
    private var sizeBytes = 0

    mutating func add(_ place: ProfileSession.Place) {
        guard place.page % stride == 0 else { return }
        places.append(place)
        sizeBytes += Self.size(place)
        while sizeBytes > Self.sizeLimitBytes {
            stride *= 2
            places.removeAll { $0.page % stride != 0 }
            sizeBytes = places.reduce(0) { $0 + Self.size($1) }
        }
    }

    private static func size(_ place: ProfileSession.Place) -> Int { place.after.bytes.count + 8 }
}
