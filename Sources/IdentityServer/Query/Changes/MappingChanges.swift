import IdentityEngine
import IdentityStore

/// The lines of a mapping that are new since a cursor, as of the sequence at which the answer began.
struct MappingChanges: AsyncSequence, Sendable {
    let store: any Store
    let reader: MappingReader
    let format: MappingFormat

    struct Iterator: AsyncIteratorProtocol {
        fileprivate let changes: MappingChanges
        fileprivate var hasBegun = false
        fileprivate var isAtEnd = false

        /// The next lines; nil at the end.
        ///
        /// - Throws: `StoreError`.
        mutating func next() async throws -> [UInt8]? {
            if !hasBegun {
                hasBegun = true
                if !changes.format.head.isEmpty { return changes.format.head }
            }
            while !isAtEnd {
                let reader = changes.reader
                let page = try await changes.store.read {
                    (snapshot: any StoreSnapshot) throws(StoreError) -> MappingReader.Page in
                    try reader.read(snapshot, limit: ChangeFeed.pageLimit, time: ChangeFeed.pageTime)
                }
                isAtEnd = page.isAtEnd
                if page.mappings.isEmpty { continue }
                var lines = MappingLines(changes.format)
                for mapping in page.mappings {
                    lines.append(mapping.id, canonicalID: mapping.canonicalID, since: mapping.since)
                }
                return lines.bytes
            }
            return nil
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(changes: self) }
}
