/// How a page of a table or an index is laid out, as SQLite documents its file format (section 1.6).
enum PageLayout {
    /// The parts of a page that hold nothing.
    ///
    /// They lie between the pointers to rows and the first row, and in freed blocks but for what links these.
    ///
    /// - Parameters:
    ///   - page: the page.
    ///   - header: where the page's own header begins.
    /// - Returns: the parts; none for a page of another kind, or one that contradicts itself.
    static func unused(of page: [UInt8], header: Int) -> [Range<Int>] {
        func number(_ place: Int) -> Int { Int(page[place]) << 8 | Int(page[place + 1]) }
        guard let kind = page.dropFirst(header).first, [2, 5, 10, 13].contains(kind) else { return [] }
        let pointers = header + (kind < 10 ? 12 : 8)
        let gapStart = pointers + 2 * number(header + 3)
        let gapEnd = number(header + 5) == 0 ? 65_536 : number(header + 5)
        guard gapStart <= gapEnd, gapEnd <= page.count else { return [] }
        var unused = gapStart < gapEnd ? [gapStart..<gapEnd] : []
        var block = number(header + 1)
        var last = gapEnd - 1
        while block != 0 {
            // Blocks come in the order of their places, among the rows.
            guard block > last, block + 4 <= page.count else { return [] }
            let end = block + number(block + 2)
            guard end >= block + 4, end <= page.count else { return [] }
            if end > block + 4 { unused.append(block + 4..<end) }
            last = end - 1
            block = number(block)
        }
        return unused
    }
}
