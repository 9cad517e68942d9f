//! The description of the API (OpenAPI 3.1), made of the handlers themselves and served at `/openapi.json`.

use std::future::{Ready, ready};

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Ref, RefOr, Required, Response as Described, ResponseBuilder};

use super::problem::{Problem, ProblemDocument};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Oakgate control plane",
        version = "1",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        description = "Errors are problem documents (RFC 9457) with a stable `code`."
    ),
    components(schemas(ProblemDocument))
)]
struct Head;

/// What the description begins with.
pub(super) fn head() -> utoipa::openapi::OpenApi {
    let mut head = Head::openapi();
    let components = head.components.get_or_insert_default();
    for (name, says) in [
        ("session", "A person's session, `oak_session_…`."),
        ("management", "A management key, `oak_mgmt_…`: configures, cannot run."),
        ("standard", "A standard key, `oak_live_…`: runs, cannot configure."),
        ("agent", "An agent's key, `oak_agent_…`: may ask and poll."),
    ] {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(says)).build();
        components.add_security_scheme(name, SecurityScheme::Http(scheme));
    }
    if let Some(RefOr::T(Schema::Object(Object { properties, .. }))) = components.schemas.get_mut("Problem")
        && let Some(RefOr::T(Schema::Object(code))) = properties.get_mut("code")
    {
        code.enum_values = Some(Problem::codes().into_iter().map(Value::from).collect());
    }
    head
}

/// Answers with the description. Whatever is not described as a success of an operation is a problem document.
pub(super) fn serve(mut document: utoipa::openapi::OpenApi) -> impl Fn() -> Ready<Response> + Clone {
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            add_problem(operation);
            // A receipt is redeemed once, whoever repeats it.
            if method != "get" && path != "/v1/receipts/redeem" && is_write(operation) {
                add_write_headers(operation, path);
            }
            // The names of handlers come again and again; methods and paths do not.
            let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            operation.operation_id = Some([method].into_iter().chain(words).collect::<Vec<_>>().join("_"));
        }
    }
    let text = document.to_json().unwrap_or_default();
    move || ready(([(CONTENT_TYPE, "application/json")], text.clone()).into_response())
}

/// Whether it is a key's, and changes something: checks do not.
fn is_write(operation: &Operation) -> bool {
    let is_check = operation.tags.iter().flatten().any(|tag| tag == "calls");
    let by_key =
        operation.security.iter().flatten().any(|one| *one != SecurityRequirement::new("session", [""; 0]));
    by_key && !is_check
}

/// The header fields that every write takes.
fn add_write_headers(operation: &mut Operation, path: &str) {
    let field = |name: &str, says: &str, pattern: &str, needed: Required| {
        let schema = Object::builder().schema_type(Type::String).pattern(Some(pattern));
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .description(Some(says))
            .required(needed)
            .schema(Some(schema.build()))
            .build()
    };
    let parameters = operation.parameters.get_or_insert_default();
    let repeats = "A request that is repeated with the same key is done once, and answered as it was then.";
    parameters.push(field("Idempotency-Key", repeats, "^[!-~]{1,255}$", Required::False).into());
    // What is only made has no version yet, and a policy must not be replaced unseen.
    let needed = if path == "/v1/policy" { Required::True } else { Required::False };
    if path == "/v1/policy" || path.contains('{') {
        let says = "The version that is changed, as `ETag` had it.";
        parameters.push(field("If-Match", says, r#"^(\*|"[!#-~]*")$"#, needed).into());
    }
}

fn add_problem(operation: &mut Operation) {
    let schema = RefOr::<Schema>::Ref(Ref::from_schema_name("Problem"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let problem: Described = ResponseBuilder::new()
        .description("Why it was not done.")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.insert("default".to_owned(), problem.into());
}
