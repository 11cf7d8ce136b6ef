import HTTP
import Web
import Wire
import XCTest

/// What routes declare stands in the document (OpenAPI 3.1).
final class OpenAPITests: XCTestCase {
    private func document(_ routes: [Route]) -> JSON { OpenAPI.document(title: "Robots", version: "7", routes: routes) }

    private func place(_ value: JSON, _ path: [String]) -> JSON? {
        path.reduce(Optional(value)) { found, name in name == "0" ? found?.array?.first : found?[name] }
    }

    func testARouteWithEverything() throws {
        var route = Route(.put, "/robots/{id}/goal", "Where a robot shall go", handler: .value { _ in HTTPResponse(.noContent) })
        route.tag = "driving"
        route.parameters = [
            .init("id", .path, "the robot's number", schema: ["type": "integer"]), .init("dry", .query, "says only whether it could"),
            .init("X-Lease", .header, "who drives", isRequired: true),
        ]
        route.body = ["type": "object", "required": ["x", "y"]]
        route.answers = [.init(.noContent, "It is on its way"), .init(.ok, "A picture", type: "image/png", schema: ["type": "string"])]
        route.needsUser = true
        let document = document([route])
        XCTAssertEqual(document["openapi"], "3.1.0")
        XCTAssertEqual(document["info"], ["title": "Robots", "version": "7"])
        let operation = try XCTUnwrap(place(document, ["paths", "/robots/{id}/goal", "put"]))
        XCTAssertEqual(operation["summary"], "Where a robot shall go")
        XCTAssertEqual(operation["tags"], ["driving"])
        XCTAssertEqual(
            operation["parameters"],
            [
                ["name": "id", "in": "path", "description": "the robot's number", "required": true, "schema": ["type": "integer"]],
                [
                    "name": "dry", "in": "query", "description": "says only whether it could", "required": false,
                    "schema": ["type": "string"],
                ],
                ["name": "X-Lease", "in": "header", "description": "who drives", "required": true, "schema": ["type": "string"]],
            ])
        XCTAssertEqual(
            operation["requestBody"],
            ["required": true, "content": ["application/json": ["schema": ["type": "object", "required": ["x", "y"]]]]])
        XCTAssertEqual(place(operation, ["responses", "204"]), ["description": "It is on its way"])
        XCTAssertEqual(
            place(operation, ["responses", "200"]), ["description": "A picture", "content": ["image/png": ["schema": ["type": "string"]]]])
        XCTAssertEqual(operation["security"], [["user": []]])
        XCTAssertNotNil(place(document, ["components", "securitySchemes", "user"]))
    }

    func testErrorsHaveOneForm() throws {
        let document = document([Route(.get, "/", "root", handler: .value { _ in .text("") })])
        let schema = ["responses", "default", "content", "application/json", "schema", "$ref"]
        XCTAssertEqual(place(document, ["paths", "/", "get"] + schema), "#/components/schemas/Error")
        let described = try XCTUnwrap(place(document, ["components", "schemas", "Error", "properties", "error", "properties"])?.object)
        guard case .bytes(let bytes) = HTTPProblem(.notFound, "not_found", "nothing here").response.body else { return XCTFail("no body") }
        let said = try XCTUnwrap(JSON(parsing: bytes.span)["error"]?.object)
        XCTAssertEqual(Set(said.names), Set(described.names), "what is described is what is said")
    }

    func testPathsAndMethodsOfOnePlaceStandTogether() {
        let document = document([
            Route(.get, "/files/{name}/{rest*}", "a file", handler: .value { _ in .text("") }),
            Route(.delete, "/files/{name}/{rest*}", "no file", handler: .value { _ in .text("") }),
            Route(.get, "/ws", "a socket", handler: .webSocket(WebSocketOptions()) { _ in }),
        ])
        XCTAssertEqual(document["paths"]?.object?.names, ["/files/{name}/{rest}", "/ws"])
        let file = document["paths"]?["/files/{name}/{rest}"]
        XCTAssertEqual(file?.object?.names, ["get", "delete"])
        XCTAssertEqual(file?["get"]?["parameters"]?.array?.map { $0["name"] }, ["name", "rest"])
        XCTAssertNotNil(document["paths"]?["/ws"]?["get"]?["responses"]?["101"])
    }

    func testHiddenRoutesAreLeftOut() {
        var route = Route(.get, "/secret", "not to be told", handler: .value { _ in .text("") })
        route.isHidden = true
        XCTAssertEqual(document([route])["paths"], [:])
    }
}
