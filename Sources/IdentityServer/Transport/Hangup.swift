import Logging
import ServiceLifecycle
import UnixSignals

/// Reads the certificate again on SIGHUP; where there is none, the signal does nothing.
struct Hangup: Service {
    /// The certificate; nil where connections are not encrypted.
    let identity: TLSIdentity?
    let logger: Logger

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            guard let identity else {
                logger.notice("SIGHUP has the certificate read again, and there is none: tls.certificate is not set")
                continue
            }
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
