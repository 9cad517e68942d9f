//! From a document to a snapshot.

use super::levels::{Levels, Walk};
use super::openings::Openings;
use super::rules::{Key, Rule, RulesBuilder, TagKey};
use super::symbols::SymbolsBuilder;
use super::{Listed, Snapshot};
use crate::document::{Document, Pattern, Rule as Written, Target};
use crate::{Coordinates, Scope};

pub(super) fn compile(document: Document, revision: u64) -> Snapshot {
    let mut compiling = Compiling::new(Walk::new(document.precedence));
    for tool in &document.tools {
        compiling.tools.exact(tool.name(), Levels::NONE);
    }
    for rule in document.rules {
        compiling.add(rule);
    }
    let has_pins = document.tools.iter().any(|tool| tool.definition_sha256.is_some());
    let tags = compiling.tags.build();
    let listed = document.tools.into_iter().map(|tool| {
        let symbols = || tool.tags().iter().filter_map(|tag| tags.exact(tag));
        Listed {
            enabled: tool.enabled(),
            status: tool.status(),
            default: tool.default_permission(),
            category_default: tool.category().and_then(|name| *document.categories.get(name)?),
            tags: symbols().map(|symbol| symbol.id).collect(),
            tag_levels: symbols().fold(Levels::NONE, |levels, symbol| levels.or(symbol.levels)),
            tool: Box::new(tool),
        }
    });
    Snapshot {
        has_pins,
        revision,
        org: document.org,
        mode: document.mode,
        unlisted_tools: document.unlisted_tools,
        listed: listed.collect(),
        walk: compiling.walk,
        tenants: compiling.tenants.build(),
        resources: compiling.resources.build(),
        tools: compiling.tools.build(),
        methods: compiling.methods.build(),
        rules: compiling.rules.build(),
        openings: compiling.openings,
    }
}

struct Compiling {
    walk: Walk,
    tenants: SymbolsBuilder,
    resources: SymbolsBuilder,
    tools: SymbolsBuilder,
    methods: SymbolsBuilder,
    tags: SymbolsBuilder,
    rules: RulesBuilder,
    openings: Openings,
}

impl Compiling {
    fn new(walk: Walk) -> Self {
        Self {
            walk,
            tenants: SymbolsBuilder::default(),
            resources: SymbolsBuilder::default(),
            tools: SymbolsBuilder::default(),
            methods: SymbolsBuilder::default(),
            tags: SymbolsBuilder::default(),
            rules: RulesBuilder::default(),
            openings: Openings::default(),
        }
    }

    fn add(&mut self, written: Written) {
        let scope = if written.tenant.is_some() { Scope::Tenant } else { Scope::Org };
        let coordinates = match &written.target {
            Target::Tag(_) => Coordinates::Tag,
            Target::Call { resource, tool, method } => {
                Coordinates::of(resource.is_some(), tool.is_some(), method.is_some())
            }
        };
        let level = self.walk.only(scope, coordinates);
        let tenant = written.tenant.map_or(0, |tenant| self.tenants.exact(&tenant, level));
        let mut rule = Rule {
            id: written.id,
            reason: written.reason,
            when: written.when,
            permission: written.permission,
            names_one_tool: false,
        };
        match written.target {
            Target::Tag(tag) => {
                let tag = self.tags.exact(&tag, level);
                self.rules.add_tag_rule(level, TagKey { tenant, tag }, rule);
            }
            Target::Call { resource, tool, method } => {
                rule.names_one_tool = matches!(tool, Some(Pattern::Exact(_)));
                let resource = number(&mut self.resources, resource.as_ref(), level);
                let tool = number(&mut self.tools, tool.as_ref(), level);
                let method = method.map_or(0, |method| self.methods.exact(&method, level));
                if coordinates.names_resource() || coordinates.names_method() {
                    self.openings.add((tenant, tool), level, rule.permission);
                }
                self.rules.add(level, Key::new(tenant, resource, tool, method), rule);
            }
        }
    }
}

fn number(symbols: &mut SymbolsBuilder, pattern: Option<&Pattern>, level: Levels) -> u32 {
    match pattern {
        None => 0,
        Some(Pattern::Exact(name)) => symbols.exact(name, level),
        Some(Pattern::Prefix(prefix)) => symbols.prefix(prefix, level),
    }
}
