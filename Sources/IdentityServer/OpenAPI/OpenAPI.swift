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
