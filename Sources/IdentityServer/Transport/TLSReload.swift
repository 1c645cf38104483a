import Logging
import ServiceLifecycle
import UnixSignals

/// Reads the certificate again on SIGHUP.
struct TLSReload: Service {
    let identity: TLSIdentity
    let logger: Logger

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            do throws(ConfigurationError) {
                try identity.reload()
                logger.notice("the certificate was read again; new connections are served with it")
            } catch {
                logger.error(
                    "the certificate could not be read again; the last one stays in force",
                    metadata: ["error": "\(error)"])
            }
        }
    }
}
