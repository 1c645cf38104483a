import IdentityEngine
import IdentityStore

/// The answer to a query for profiles (P 10-6), written while it is read from the store.
///
/// The first page reads all profiles that there are, to count those that match; that takes as long as it takes, in
/// short reads, and a space goes out for each, so that the connection stays alive and a client that has left is seen.
struct ProfilePages: AsyncSequence, Sendable {
    private let store: any Store
    private let query: ProfileQuery

    init(store: any Store, query: ProfileQuery) {
        self.store = store
        self.query = query
    }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate let store: any Store
        fileprivate let query: ProfileQuery
        fileprivate var progress: ProfileProgress
        fileprivate var hasBegun = false

        /// The next bytes of the answer; nil at its end.
        ///
        /// - Throws: `StoreError`.
        mutating func next() async throws -> [UInt8]? {
            guard !progress.isAtEnd || !hasBegun else { return nil }
            var piece: [UInt8] = []
            if !hasBegun {
                piece += Array(
                    #"{"page":\#(query.page),"page_size":\#(query.pageSize),"status":"ok","results":["#.utf8)
                hasBegun = true
            }
            if !progress.isAtEnd {
                let before = progress
                let (after, text) = try await store.read {
                    (snapshot: any StoreSnapshot) throws(StoreError) -> (ProfileProgress, [UInt8]) in
                    var progress = before
                    let text = try progress.step(snapshot)
                    return (progress, text)
                }
                progress = after
                piece += text
            }
            if progress.isAtEnd {
                let session = progress.session
                let text = session.text(scope: query.scope, key: query.key)
                piece += Array(#"],"session_id":"\#(text)","total":\#(session.total)}"#.utf8)
            }
            return piece.isEmpty ? [0x20] : piece
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(store: store, query: query, progress: ProfileProgress(query))
    }
}
