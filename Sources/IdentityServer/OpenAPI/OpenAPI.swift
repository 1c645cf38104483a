/// The description of every endpoint, Mixpanel's and our own, that `GET /openapi.json` answers with.
///
/// Written by hand as JSON text, in files by audience; this one puts it together. A test holds it against the routes.
package enum OpenAPI {
    /// An OpenAPI 3.1 document.
    package static let document = Array(text.utf8)

    private static let text = """
        \(head),
        "paths": {
        \(paths.joined(separator: ",\n"))
        },
        "components": {
        \(parameters),
        \(responses),
        \(schemas),
        "securitySchemes": {
          "basic": {"type": "http", "scheme": "basic",
            "description": "The project's secret with an empty password, or a service account with project_id given."},
          "token": {"type": "http", "scheme": "basic",
            "description": "The project's public token as the user name, with an empty password."}
        }
        }
        }

        """

    private static let paths = [
        clientPaths, serverPaths, connectorPaths, identityPaths, rejectionPaths, amendmentPaths, privacyPaths,
        operatorPaths,
    ]

    private static let head = #"""
        {
        "openapi": "3.1.0",
        "info": {
          "title": "Selfsame",
          "version": "1",
          "summary": "A self-hosted identity server for product analytics that speaks Mixpanel's wire protocol.",
          "description": "Every path is also answered with a slash at its end, and HEAD like GET."
        },
        "servers": [{"url": "/"}],
        "tags": [
          {"name": "client", "description": "What SDKs send with the public token. Only these paths have CORS."},
          {"name": "server", "description": "Mixpanel's paths that need the project's secret or a service account."},
          {"name": "identity", "description": "Our own: which ids are one, since when, and why."},
          {"name": "privacy", "description": "Deletion and retrieval, in the shape of Mixpanel's GDPR API v3.0."},
          {"name": "operator", "description": "Health, this document, and the sandbox."}
        ]
        """#
}
