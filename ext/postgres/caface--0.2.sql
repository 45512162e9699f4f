\echo Use "CREATE EXTENSION caface" to load this file. \quit

-- Parts of the aggregates. The costs are of a face, or a state, of 512 numbers on one core, in units of 25 ns:
-- 300 (heads) to 900 (caface) for a face, 150 to pack a state, 6 to 40 us for a template of what lies in memory or a column.
CREATE FUNCTION caface_fuse_step(internal, real[], real[]) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_fuse_step_real' LANGUAGE C PARALLEL SAFE COST 400;
CREATE FUNCTION caface_fuse_step(internal, bytea, bytea) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_fuse_step_bytea' LANGUAGE C PARALLEL SAFE COST 400;
CREATE FUNCTION caface_average_step(internal, real[]) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_average_step_real' LANGUAGE C PARALLEL SAFE COST 40;
CREATE FUNCTION caface_average_step(internal, bytea) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_average_step_bytea' LANGUAGE C PARALLEL SAFE COST 40;
CREATE FUNCTION caface_norm_step(internal, real[]) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_norm_step_real' LANGUAGE C PARALLEL SAFE COST 40;
CREATE FUNCTION caface_norm_step(internal, bytea) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_norm_step_bytea' LANGUAGE C PARALLEL SAFE COST 40;
CREATE FUNCTION caface_norm_step(internal, real[], double precision) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_norm_step_real' LANGUAGE C PARALLEL SAFE COST 40;
CREATE FUNCTION caface_norm_step(internal, bytea, double precision) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_norm_step_bytea' LANGUAGE C PARALLEL SAFE COST 40;
CREATE FUNCTION caface_merge_step(internal, bytea) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_merge_step' LANGUAGE C PARALLEL SAFE COST 1000;
CREATE FUNCTION caface_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_combine' LANGUAGE C PARALLEL SAFE COST 200;
CREATE FUNCTION caface_serialise(internal) RETURNS bytea
    AS 'MODULE_PATHNAME', 'cafpg_serialise' LANGUAGE C STRICT PARALLEL SAFE COST 200;
CREATE FUNCTION caface_deserialise(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'cafpg_deserialise' LANGUAGE C STRICT PARALLEL SAFE COST 200;
CREATE FUNCTION caface_state(internal) RETURNS bytea
    AS 'MODULE_PATHNAME', 'cafpg_state' LANGUAGE C PARALLEL SAFE COST 100;

CREATE AGGREGATE caface_fuse(feature real[], style real[]) (
    SFUNC = caface_fuse_step, STYPE = internal, SSPACE = 32768, FINALFUNC = caface_state,
    COMBINEFUNC = caface_combine, SERIALFUNC = caface_serialise,
    DESERIALFUNC = caface_deserialise, PARALLEL = SAFE);
CREATE AGGREGATE caface_fuse(feature bytea, style bytea) (
    SFUNC = caface_fuse_step, STYPE = internal, SSPACE = 32768, FINALFUNC = caface_state,
    COMBINEFUNC = caface_combine, SERIALFUNC = caface_serialise,
    DESERIALFUNC = caface_deserialise, PARALLEL = SAFE);
CREATE AGGREGATE caface_average(feature real[]) (
    SFUNC = caface_average_step, STYPE = internal, SSPACE = 8192, FINALFUNC = caface_state,
    COMBINEFUNC = caface_combine, SERIALFUNC = caface_serialise,
    DESERIALFUNC = caface_deserialise, PARALLEL = SAFE);
CREATE AGGREGATE caface_average(feature bytea) (
    SFUNC = caface_average_step, STYPE = internal, SSPACE = 8192, FINALFUNC = caface_state,
    COMBINEFUNC = caface_combine, SERIALFUNC = caface_serialise,
    DESERIALFUNC = caface_deserialise, PARALLEL = SAFE);
CREATE AGGREGATE caface_norm(feature real[]) (
    SFUNC = caface_norm_step, STYPE = internal, SSPACE = 8192, FINALFUNC = caface_state,
    COMBINEFUNC = caface_combine, SERIALFUNC = caface_serialise,
    DESERIALFUNC = caface_deserialise, PARALLEL = SAFE);
CREATE AGGREGATE caface_norm(feature bytea) (
    SFUNC = caface_norm_step, STYPE = internal, SSPACE = 8192, FINALFUNC = caface_state,
    COMBINEFUNC = caface_combine, SERIALFUNC = caface_serialise,
    DESERIALFUNC = caface_deserialise, PARALLEL = SAFE);
CREATE AGGREGATE caface_norm(feature real[], power double precision) (
    SFUNC = caface_norm_step, STYPE = internal, SSPACE = 8192, FINALFUNC = caface_state,
    COMBINEFUNC = caface_combine, SERIALFUNC = caface_serialise,
    DESERIALFUNC = caface_deserialise, PARALLEL = SAFE);
CREATE AGGREGATE caface_norm(feature bytea, power double precision) (
    SFUNC = caface_norm_step, STYPE = internal, SSPACE = 8192, FINALFUNC = caface_state,
    COMBINEFUNC = caface_combine, SERIALFUNC = caface_serialise,
    DESERIALFUNC = caface_deserialise, PARALLEL = SAFE);
CREATE AGGREGATE caface_merge(state bytea) (
    SFUNC = caface_merge_step, STYPE = internal, SSPACE = 32768, FINALFUNC = caface_state,
    COMBINEFUNC = caface_combine, SERIALFUNC = caface_serialise,
    DESERIALFUNC = caface_deserialise, PARALLEL = SAFE);

-- Of states. STABLE: they depend on caface.model.
CREATE FUNCTION caface_template(state bytea) RETURNS real[]
    AS 'MODULE_PATHNAME', 'cafpg_template' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
CREATE FUNCTION caface_count(state bytea) RETURNS bigint
    AS 'MODULE_PATHNAME', 'cafpg_count' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
CREATE FUNCTION caface_evidence(state bytea) RETURNS double precision
    AS 'MODULE_PATHNAME', 'cafpg_evidence' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
CREATE FUNCTION caface_method(state bytea) RETURNS text
    AS 'MODULE_PATHNAME', 'cafpg_method' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;

-- Of vectors: bytea is f32 or f16, told apart by the width.
CREATE FUNCTION caface_cosine(a real[], b real[]) RETURNS double precision
    AS 'MODULE_PATHNAME', 'cafpg_cosine_real' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION caface_cosine(a bytea, b bytea) RETURNS double precision
    AS 'MODULE_PATHNAME', 'cafpg_cosine_bytea' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION caface_is_valid(feature real[], style real[]) RETURNS boolean
    AS 'MODULE_PATHNAME', 'cafpg_is_valid_real' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION caface_is_valid(feature bytea, style bytea) RETURNS boolean
    AS 'MODULE_PATHNAME', 'cafpg_is_valid_bytea' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION caface_floats(numbers bytea) RETURNS real[]
    AS 'MODULE_PATHNAME', 'cafpg_floats' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION caface_bytes(numbers real[], half boolean DEFAULT false) RETURNS bytea
    AS 'MODULE_PATHNAME', 'cafpg_bytes' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

CREATE FUNCTION caface_model_hash() RETURNS text
    AS 'MODULE_PATHNAME', 'cafpg_model_hash' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION caface_version() RETURNS text
    AS 'MODULE_PATHNAME', 'cafpg_version' LANGUAGE C STABLE PARALLEL SAFE;
