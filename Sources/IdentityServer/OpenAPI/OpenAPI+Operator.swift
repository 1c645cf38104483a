extension OpenAPI {
    /// What whoever runs the server calls.
    static let operatorPaths = #"""
        \#(healthPath("/health", "health", "Whether the server works, its store included.")),
        \#(healthPath("/health/live", "live", "Whether the process answers.")),
        \#(healthPath("/health/ready", "ready", "Whether it can take requests.")),
        "/openapi.json": {
          "get": {
            "tags": ["operator"], "operationId": "description", "summary": "This document.", "security": [],
            "responses": {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {
              "type": "object", "required": ["openapi", "info", "paths", "components"]}}}}}
          }
        },
        "/sandbox/reset": {
          "post": {
            "tags": ["operator"], "operationId": "resetSandbox", "summary": "Forget everything but the projects.",
            "security": [],
            "responses": {\#(sandboxResponses)}
          }
        },
        "/sandbox/clock": {
          "put": {
            "tags": ["operator"], "operationId": "setSandboxClock",
              "summary": "Stop the clock at a second, or let it run.",
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
              "type": "object", "required": ["now"],
              "properties": {"now": {"type": ["number", "null"], "minimum": 0, "maximum": 100000000000}}}}}},
            "security": [],
            "responses": {
              "400": {"$ref": "#/components/responses/BadRequest"}, "408": {"$ref": "#/components/responses/TooSlow"},
              "413": {"$ref": "#/components/responses/TooLarge"}, \#(sandboxResponses)
            }
          }
        }
        """#

    private static func healthPath(_ path: String, _ name: String, _ summary: String) -> String {
        #"""
        "\#(path)": {
          "get": {
            "tags": ["operator"], "operationId": "\#(name)", "summary": "\#(summary)", "security": [],
            "responses": {
              "200": {"description": "It does.", "content": {"application/json": {"schema": {
                "$ref": "#/components/schemas/Done"}}}},
              "503": {"$ref": "#/components/responses/Unavailable"}
            }
          }
        }
        """#
    }

    private static let sandboxResponses = #"""
        "200": {"description": "Done.",
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Done"}}}},
              "403": {"$ref": "#/components/responses/Forbidden"}, "404": {"$ref": "#/components/responses/NotFound"},
              "429": {"$ref": "#/components/responses/TooMany"}, "503": {"$ref": "#/components/responses/Unavailable"}
        """#
}
