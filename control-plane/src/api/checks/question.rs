//! The call that is asked about, from the request's body and from the key that it came with.

use policy::{Call, Caller, CallerKind, Definition, Unread};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::Problem;
use crate::store::{Holder, Tier};

/// Longest name of a backend, tool, tenant or method.
const NAME_BYTES_MAX: usize = 256;

/// Longest resource, and longest reasoning.
const TEXT_BYTES_MAX: usize = 2048;

/// Tool, resource, method and tenant of a call together, in bytes of JSON: as much as a proxy takes.
const COORDINATES_BYTES_MAX: usize = 3072;

/// A call that somebody wants to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct CheckBody {
    /// The backend that it goes to: the receipt is for no other.
    #[schema(min_length = 1, max_length = 256, pattern = r"^[^\u0000]+$")]
    backend: String,
    #[schema(max_length = 256, pattern = r"^[^\u0000]*$")]
    tool: String,
    /// Only from a key that may name its tenant; else the key's own counts.
    #[schema(max_length = 256, pattern = r"^[^\u0000]*$")]
    tenant: Option<String>,
    #[schema(max_length = 2048, pattern = r"^[^\u0000]*$")]
    resource: Option<String>,
    #[schema(max_length = 256, pattern = r"^[^\u0000]*$")]
    method: Option<String>,
    /// The tool's arguments; `{}` if there are none.
    #[schema(value_type = Option<Object>)]
    args: Option<Box<RawValue>>,
    /// Why, in the agent's own words: for conditions that ask for it. It is not recorded.
    #[schema(max_length = 2048, pattern = r"^[^\u0000]*$")]
    reasoning: Option<String>,
}

/// A call that can be decided, recorded and signed.
pub(super) struct Question {
    body: CheckBody,
    tenant: Option<String>,
    caller: Caller,
}

impl Question {
    /// Reads the call of a holder of a standard or agent key.
    pub(super) fn read(mut body: CheckBody, holder: Holder) -> Result<Self, Problem> {
        let tenant = match body.tenant.take() {
            Some(_) if !holder.may_name_tenant => return Err(Problem::CannotNameTenant),
            Some(named) => Some(named),
            None => holder.tenant,
        };
        let kind = match holder.tier {
            Tier::Agent => CallerKind::Agent,
            Tier::Standard => CallerKind::Standard,
            Tier::Management | Tier::Proxy => return Err(Problem::CannotRun),
        };
        let caller = Caller { id: holder.id, kind, claims: serde_json::Map::new() };
        let question = Self { body, tenant, caller };
        question.check()?;
        Ok(question)
    }

    pub(super) fn call(&self) -> Call<'_> {
        Call {
            backend: &self.body.backend,
            tool: &self.body.tool,
            tenant: self.tenant.as_deref(),
            resource: self.body.resource.as_deref(),
            method: self.body.method.as_deref(),
            arguments: arguments(self.body.args.as_deref()),
            unread: Unread::Nothing,
            caller: &self.caller,
            reasoning: self.body.reasoning.as_deref(),
            definition: Definition::Accepted,
        }
    }

    fn check(&self) -> Result<(), Problem> {
        let call = self.call();
        let names = [Some(call.backend), Some(call.tool), call.tenant, call.method];
        let texts = [call.resource, call.reasoning];
        let fits = |text: &str, max_bytes| text.len() <= max_bytes && !text.contains('\0');
        let in_json = |byte: u8| if byte < 0x20 || matches!(byte, b'"' | b'\\') { 6 } else { 1 };
        let coordinates = [Some(call.tool), call.resource, call.method, call.tenant];
        let coordinates_bytes: usize =
            coordinates.into_iter().flatten().flat_map(str::bytes).map(in_json).sum();
        let is_good = !call.backend.is_empty()
            && names.into_iter().flatten().all(|name| fits(name, NAME_BYTES_MAX))
            && texts.into_iter().flatten().all(|text| fits(text, TEXT_BYTES_MAX))
            && coordinates_bytes <= COORDINATES_BYTES_MAX;
        if !is_good {
            return Err(Problem::CallUnexpected);
        }
        if call.arguments.starts_with('{') { Ok(()) } else { Err(Problem::ArgsUnexpected) }
    }
}

/// The text of arguments.
pub(in super::super) fn arguments(args: Option<&RawValue>) -> &str {
    args.map_or("{}", RawValue::get)
}
