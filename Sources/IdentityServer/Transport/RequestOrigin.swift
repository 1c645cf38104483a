package import Hummingbird
import NIOCore

/// What the connection of a request says of it, beside the request.
package struct RequestOrigin: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Whether the request is a stream of an HTTP/2 connection, beside others.
    let isStream: Bool
    /// Where the connection comes from; nil where it cannot be told.
    let peer: IPAddress?
    /// The connection, or the stream of it.
    let channel: any Channel

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
        // The parent of a stream is its connection, whose parent is the listening socket.
        isStream = source.channel.parent?.parent != nil
        peer = source.channel.remoteAddress.flatMap { IPAddress($0) }
    }
}
